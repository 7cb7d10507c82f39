"""The service over HTTP: requests, problems as failures, events that survive a broken connection."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from blocks import __version__
from blocks.cli import lazy_commands, service_version, workspace
from blocks.cli.errors import Exit, Failure
from blocks.format.limits import MAX_BLOCK_BYTES, MIB

if TYPE_CHECKING:
    import httpx2
else:
    # A third of the start-up time, and help needs none of it.
    httpx2 = lazy_commands.import_lazily("httpx2")

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_STREAM_SECONDS = 60.0  # four keep-alives of the service
GIVE_UP_SECONDS = 60.0
_PAGE = 200  # the longest that the service gives
LONGEST_WAIT_SECONDS = 10.0
_LONGEST_ANSWER = MAX_BLOCK_BYTES + MIB
_LONGEST_EVENT = 16 * MIB
# Names of the service, and what separates them; a query and a fragment begin with other characters.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9._~/@:+-]*")
# Both mean that a token has to change, which a script handles in one way.
_NOT_ALLOWED = {401, 403}


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    kind: str
    data: dict[str, Any]


class _NoRoomError(Exception):
    """The service streams to as many followers as it can, and says when to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Client:
    """A session with the service. Use as a context manager."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        headers = {"User-Agent": f"blocks-cli/{__version__}"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            # A service that is down is noticed soon; a slow answer is waited for.
            timeout = httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
            # Over http, which is for this machine only, there is no certificate to check; reading those
            # that are trusted takes a tenth of a second. Redirects are not followed.
            self._verify = not url.startswith("http://")
            self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout, verify=self._verify)
        except (httpx2.InvalidURL, UnicodeEncodeError, ValueError) as error:
            raise Failure(
                f"BLOCKS_API_URL or BLOCKS_TOKEN is malformed: {error}",
                cure="Correct it.",
                code="cli:bad-config",
            ) from error

    @classmethod
    def of_workspace(cls) -> Self:
        """A client of the service that this folder and the environment name."""
        here = workspace.find_workspace()
        return cls(here.url, workspace.read_token(here))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON under ``/api/v1/<path>``."""
        given = {name: value for name, value in params.items() if value is not None}
        return _read_json(self._send_request("GET", path, params=given))

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The JSON that ``POST`` answers with. The same ``key`` makes sending it twice act once."""
        headers = {"Idempotency-Key": key} if key else None
        return _read_json(self._send_request("POST", path, json=body, headers=headers))

    def put(self, path: str, body: Any) -> Any:
        """The JSON that ``PUT`` answers with."""
        return _read_json(self._send_request("PUT", path, json=body))

    def delete(self, path: str) -> None:
        """``DELETE``, which answers nothing."""
        self._send_request("DELETE", path)

    def patch(self, path: str, body: Any) -> Any:
        """The JSON that ``PATCH`` answers with."""
        return _read_json(self._send_request("PATCH", path, json=body))

    def ask_anybody(self, path: str) -> "httpx2.Response":
        """What the service answers under an address that is open to everyone; the token does not go along.

        Raises ``Failure`` where nobody answers.
        """
        try:
            return httpx2.get(f"{self.url}/{path}", timeout=_CONNECT_SECONDS, verify=self._verify)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._fail_unreachable(error) from error

    def download(self, path: str, **params: Any) -> bytes:
        """The bytes under ``/api/v1/<path>``."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._send_request("GET", path, params=given).content

    def list_rows(self, path: str, *, limit: int, **params: Any) -> list[dict[str, Any]]:
        """At most ``limit`` rows of the list under ``path``, page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < limit:
            page = self.get(path, limit=min(_PAGE, limit - len(found)), cursor=cursor, **params)
            found += page["results"]
            # The last page has no next link. The link itself is not followed: behind a proxy its host may be
            # one that only the proxy reaches.
            if page["next"] is None:
                break
            cursor = httpx2.URL(page["next"]).params.get("cursor")
        return found

    def _send_request(self, method: str, path: str, **how: Any) -> "httpx2.Response":
        require_plain_path(path)
        try:
            with self._http.stream(method, f"/api/v1/{path}", **how) as answer:
                _read_bounded(answer)
        except httpx2.HTTPError as error:
            raise self._fail_unreachable(error) from error
        service_version.compare(answer.headers.get(service_version.HEADER), self.url)
        if answer.is_success:
            return answer
        raise read_failure(answer)

    def _fail_unreachable(self, error: Exception) -> Failure:
        return Failure(
            f"The service at {self.url} cannot be reached ({type(error).__name__}).",
            cure="Start it with `make up`, or set BLOCKS_API_URL to where it runs.",
            code="cli:unreachable",
            exit_code=Exit.UNREACHABLE,
        )

    def events(self, flow_id: str, *, on_idle: Callable[[], None] = lambda: None) -> Iterator[Event]:
        """The flow's events until ``end``. A broken connection is opened again, after the event last seen.

        ``on_idle`` is called at every sign of life, keep-alives included; what it raises ends the iteration.
        """
        last, lost_at = "0", None
        while True:
            try:
                for line_event in self._stream_events(flow_id, last, on_idle):
                    lost_at = None
                    event, last = line_event
                    yield event
                    if event.kind == "end":
                        return
            except _NoRoomError as refused:
                # Looking now and then shows the same, a little later.
                lost_at = None
                event = self._look_at_flow(flow_id)
                yield event
                if event.kind == "end":
                    return
                _wait_idly(refused.seconds, on_idle)
            except httpx2.HTTPError as error:
                # The service may be restarting; only a long silence is a failure.
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > GIVE_UP_SECONDS:
                    raise self._fail_unreachable(error) from error
            on_idle()
            # Also after a stream that ended without `end`: a service that closes each stream at once would
            # otherwise be asked in a tight loop.
            time.sleep(0.5)

    def _look_at_flow(self, flow_id: str) -> Event:
        """How the flow stands, as an event: ``end``, or ``poll`` while it runs."""
        flow = self.get(f"flows/{flow_id}/")
        return Event("end" if flow["finished_at"] else "poll", {"status": flow["status"]})

    def _stream_events(
        self, flow_id: str, last: str, on_idle: Callable[[], None]
    ) -> Iterator[tuple[Event, str]]:
        require_plain_path(flow_id)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        limits = httpx2.Timeout(_STREAM_SECONDS, connect=_CONNECT_SECONDS)
        with self._http.stream(
            "GET", f"/api/v1/flows/{flow_id}/events/", headers=headers, timeout=limits
        ) as answer:
            if not answer.is_success:
                _read_bounded(answer)
                if seconds := read_retry_after(answer):
                    raise _NoRoomError(seconds)
                if answer.status_code >= 500:
                    # Like a broken connection: a proxy answers 502 while the service restarts.
                    raise httpx2.RemoteProtocolError(f"status {answer.status_code}")
                raise read_failure(answer)
            # The parts of server-sent events that the service uses: a field a line, an empty line at the
            # end of an event.
            kind, data = "", ""
            for line in answer.iter_lines():
                on_idle()
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    last = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data += value
                    if len(data) > _LONGEST_EVENT:
                        raise _refuse_answer("an event that does not end")
                elif not line and data:
                    yield Event(kind, _parse_event(data)), last
                    kind, data = "", ""


def require_plain_path(path: str) -> None:
    """Raise ``Failure`` for a name that would lead to another address: it is part of a path."""
    if _PLAIN_PATH.fullmatch(path) and not {"..", "."} & set(path.split("/")):
        return
    raise Failure(
        "A name has a character in it that no name has.",
        cure="Type it as `blocks status flows` or `blocks config show` shows it.",
        code="cli:bad-option",
    )


def read_at_most(answer: "httpx2.Response", most: int) -> bytes | None:
    """The body of a streamed answer; ``None`` where it is longer than ``most`` bytes."""
    parts, size = [], 0
    # Of what it unpacks to: a small packed answer may stand for more than memory holds.
    for part in answer.iter_bytes():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def _read_bounded(answer: "httpx2.Response") -> None:
    """As ``answer.read()``, unless the answer is longer than anything that the service sends."""
    content = read_at_most(answer, _LONGEST_ANSWER)
    if content is None:
        raise _refuse_answer("more than any answer has")
    answer._content = content


def _read_json(answer: "httpx2.Response") -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise _refuse_answer("something that is not JSON") from error


def _parse_event(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refuse_answer("an event that is not JSON") from error
    if not isinstance(found, dict):
        raise _refuse_answer("an event that is not an object")
    return found


def _refuse_answer(what: str) -> Failure:
    return Failure(
        f"The service sent {what}.",
        cure="Check that BLOCKS_API_URL names the orchestrator.",
        code="cli:unexpected-answer",
        exit_code=Exit.UNREACHABLE,
    )


def read_retry_after(answer: "httpx2.Response") -> float | None:
    """The seconds that a refusal (429 or 503) asks to wait, at most ``LONGEST_WAIT_SECONDS``."""
    text = answer.headers.get("Retry-After", "")
    if answer.status_code not in {429, 503} or not (text.isascii() and text.isdigit()):
        return None
    # The service chose the number, so it decides neither for a tight loop nor for a sleep without end.
    return min(max(float(text[:9]), 1.0), LONGEST_WAIT_SECONDS)


def _wait_idly(seconds: float, on_idle: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        on_idle()
        time.sleep(0.25)


def read_failure(answer: "httpx2.Response") -> Failure:
    """A failed response as a failure: a problem document of the service, or what a proxy sent instead."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    if answer.status_code in _NOT_ALLOWED:
        exit_code = Exit.NOT_ALLOWED
    elif answer.status_code >= 500 or "code" not in body:
        exit_code = Exit.UNREACHABLE
    else:
        exit_code = Exit.USAGE
    # Without a document, something else than the service answered.
    cure = "" if body else "Check that BLOCKS_API_URL names the orchestrator."
    return Failure(
        str(body.get("detail") or f"The service answered {answer.status_code} without a reason."),
        cure=str(body.get("cure") or cure),
        code=str(body.get("code") or "cli:unexpected-answer"),
        exit_code=exit_code,
    )
