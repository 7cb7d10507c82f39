"""A session with the API of GitHub or GitLab: JSON, bounded answers, pages, and refusals as failures."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from blocks.cli import lazy_commands
from blocks.cli.client import read_at_most
from blocks.cli.credentials import require_safe_address
from blocks.cli.errors import Exit, Failure
from blocks.format.limits import MIB

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy_commands.import_lazily("httpx2")

_TIMEOUT_SECONDS = 30.0
_MOST_BYTES = 16 * MIB
_PAGE = 100
_MOST_PAGES = 50
_ATTEMPTS = 4
_LONGEST_PAUSE_SECONDS = 60.0
_PATH = re.compile(r"[A-Za-z0-9._~/%:-]*")


class PlatformRefusal(Exception):
    """The platform refused a request: what to do about it depends on the request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text


def explain_refusal(refused: PlatformRefusal, platform: str, what: str, cures: Mapping[int, str]) -> Failure:
    """The failure that ends the command: the job may not do ``what``. ``cures`` are by status."""
    not_allowed = refused.status in {401, 403, 404}
    return Failure(
        f"{platform} does not let this job {what} ({refused}).",
        cure=cures.get(refused.status, f"Read what {platform} says; the request was not carried out."),
        code="ci:platform-refused",
        exit_code=Exit.NOT_ALLOWED if not_allowed else Exit.FAILED,
    )


class Session:
    """Requests below one address, with one token. Use as a context manager."""

    def __init__(self, url: str, token: str, headers: Mapping[str, str] | None = None) -> None:
        require_safe_address(url)
        self.url = url
        own = {"Authorization": f"Bearer {token}", "User-Agent": "blocks-cli", **(headers or {})}
        # Redirects are not followed: they would carry the token to an address that nobody has checked.
        self._http = httpx2.Client(headers=own, timeout=_TIMEOUT_SECONDS, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON under ``path``."""
        return self._send("GET", path, params=params)[0]

    def post(self, path: str, body: Any) -> Any:
        """The JSON that ``POST`` answers with. Never sent twice: it might act twice."""
        return self._send("POST", path, body=body)[0]

    def patch(self, path: str, body: Any) -> Any:
        """The JSON that ``PATCH`` answers with."""
        return self._send("PATCH", path, body=body)[0]

    def put(self, path: str, body: Any) -> Any:
        """The JSON that ``PUT`` answers with."""
        return self._send("PUT", path, body=body)[0]

    def list(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Every entry of a list, page by page."""
        for page in range(1, _MOST_PAGES + 1):
            found, link = self._send("GET", path, params={**(params or {}), "per_page": _PAGE, "page": page})
            if not isinstance(found, list):
                raise self._refuse_answer("no list")
            yield from found
            # The link is not followed, only read: its host may be one that a proxy alone reaches.
            if 'rel="next"' not in link:
                return

    def _send(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> tuple[Any, str]:
        """The JSON of the answer, and its ``Link`` header."""
        if not _PATH.fullmatch(path):
            raise Failure(f"{path[:80]!r} is not a path of an API.", code="ci:bad-event")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                status, headers, content = self._send_once(method, path, params, body)
            except httpx2.HTTPError as error:
                # A request that changes something may have arrived.
                if method != "GET" or attempt == _ATTEMPTS:
                    raise self._fail_unreachable(type(error).__name__) from error
                time.sleep(attempt)
                continue
            pause = _read_pause(status, headers, attempt)
            if pause is None or attempt == _ATTEMPTS or (status >= 500 and method != "GET"):
                break
            time.sleep(pause)
        if status >= 500:
            raise self._fail_unreachable(str(status))
        if not 200 <= status < 300:
            raise PlatformRefusal(status, _describe_refusal(content))
        try:
            return json.loads(content), headers.get("link", "")
        except (ValueError, RecursionError) as error:
            raise self._refuse_answer("no JSON") from error

    def _send_once(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any
    ) -> tuple[int, Mapping[str, str], bytes]:
        # An address may have a query of its own, as that of GitHub's identity tokens has.
        target = httpx2.URL(f"{self.url}{path}")
        if params:
            target = target.copy_merge_params({name: str(value) for name, value in params.items()})
        with self._http.stream(method, target, json=body) as answer:
            content = read_at_most(answer, _MOST_BYTES)
        if content is None:
            raise self._refuse_answer(f"over {_MOST_BYTES // MIB} MB")
        return answer.status_code, answer.headers, content

    def _fail_unreachable(self, why: str) -> Failure:
        return Failure(
            f"{self._name()} cannot be reached ({why}).",
            cure="Run the job again; look at the platform's status page if this stays.",
            code="ci:platform-unreachable",
            exit_code=Exit.UNREACHABLE,
        )

    def _refuse_answer(self, what: str) -> Failure:
        return Failure(
            f"{self._name()} answered with {what}.",
            cure="Check the address of the API that the job has.",
            code="ci:platform-unreachable",
            exit_code=Exit.UNREACHABLE,
        )

    def _name(self) -> str:
        # Without the query, which may hold a name of the job.
        return self.url.split("?")[0]


def _read_pause(status: int, headers: Mapping[str, str], attempt: int) -> float | None:
    """Seconds to wait before the same request is sent again; ``None`` where that would not help."""
    asked = headers.get("retry-after", "")
    # GitHub says 403 as well as 429 where a job asks too often, and then always with this header.
    if status == 429 or (status == 403 and asked):
        return min(
            float(asked) if asked.isascii() and asked.isdigit() else 2.0**attempt, _LONGEST_PAUSE_SECONDS
        )
    return float(attempt) if status in {502, 503, 504} else None


def _describe_refusal(content: bytes) -> str:
    """What a refusal says, in a few words: GitHub's and GitLab's forms."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    parts = [found.get("message") or found.get("error") or ""]
    errors = found.get("errors")
    for one in errors if isinstance(errors, list) else []:
        parts.append(one.get("message") or one.get("code") or "" if isinstance(one, dict) else one)
    return "; ".join(part if isinstance(part, str) else json.dumps(part) for part in parts if part)[:500]
