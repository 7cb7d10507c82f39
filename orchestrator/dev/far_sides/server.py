"""A loopback server that keeps state and answers JSON: what the stand-ins of other companies' services share.

A far side is not the service that it stands for, and says so: in the header ``Server`` of each answer, and at
``GET /``. It can be told to answer badly, see ``Trouble``.
"""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

_MOST_BYTES: Final = 32 * 1024 * 1024
_METHODS: Final = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; ``headers`` by lower-case name, ``body`` as JSON where it is JSON."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    raw: bytes = b""
    query: str = ""

    @property
    def bearer(self) -> str:
        """The token that it carries."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        # PyGithub writes the older `token`, which GitHub takes as well.
        return token if scheme.lower() in {"bearer", "token"} else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body (JSON, or bytes that are sent as they are), and further headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class FarSideFault(Exception):
    """The far side was asked for something that it does not know, or would answer against its description."""


class FarSideAnswerLost(Exception):
    """The change was made, and the connection is closed instead of answering."""


@dataclass
class Trouble:
    """How the next ``times`` requests are answered that have this ``method`` and a path in which the regular
    expression ``path`` is found; where they are empty, any.

    With a ``status`` nothing is done. With ``lost`` the change is made and the answer is not sent.
    ``seconds`` is how long the answer takes.
    """

    status: int = 0
    lost: bool = False
    seconds: float = 0.0
    retry_after: int | None = None
    method: str = ""
    path: str = ""
    times: int = 1

    def matches(self, asked: Asked) -> bool:
        """Whether it is for this request."""
        return self.method in {"", asked.method} and re.search(self.path, asked.path) is not None


@dataclass
class FarSide:
    """What answers. ``faults`` is what it found wrong with itself or with a request; a test wants none."""

    title: ClassVar[str] = "a service"
    faults: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        raise NotImplementedError

    def dump(self) -> dict[str, Any]:
        """All that it holds, as JSON; two dumps are equal where nothing has changed."""
        return {}

    def answer_in_trouble(self, asked: Asked) -> Answer:
        """The answer, unless trouble comes first; raises ``FarSideAnswerLost``."""
        # For people, and for tests that look at a stand-in from outside.
        if asked.path == "/" and asked.method == "GET":
            return Answer(
                200, {"note": f"a stand-in on this machine, not {self.title}", "holds": self.dump()}
            )
        trouble = self._take_trouble(asked)
        if trouble is None:
            return self._answer_locked(asked)
        # Not under the lock: a slow answer holds up nobody else.
        time.sleep(trouble.seconds)
        if trouble.status:
            headers = {} if trouble.retry_after is None else {"Retry-After": str(trouble.retry_after)}
            return Answer(trouble.status, {"message": "trouble that a test has asked for"}, headers)
        found = self._answer_locked(asked)
        if trouble.lost:
            raise FarSideAnswerLost
        return found

    def _answer_locked(self, asked: Asked) -> Answer:
        with self.lock:
            try:
                return self.answer(asked)
            except Exception as error:  # noqa: BLE001 - a test must see it
                self.faults.append(f"{asked.method} {asked.path}: {error!r}")
                return Answer(500, {"message": "Server Error"})

    def _take_trouble(self, asked: Asked) -> Trouble | None:
        with self.lock:
            for trouble in self.troubles:
                if trouble.matches(asked):
                    trouble.times -= 1
                    if trouble.times <= 0:
                        self.troubles.remove(trouble)
                    return trouble
        return None


class _FarSideHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    far_side: FarSide

    def reply(self) -> None:
        """Read the request, answer it."""
        try:
            found = self.far_side.answer_in_trouble(self._read_request())
        except FarSideAnswerLost:
            self.close_connection = True
            return
        self._send(found)

    def _read_request(self) -> Asked:
        parts = urlsplit(self.path)
        raw = self._read_body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = None
        if raw and "json" in headers.get("content-type", "json"):
            body = json.loads(raw)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Asked(self.command, parts.path, params, headers, body, raw, parts.query)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MOST_BYTES))
        parts = b""
        # git sends large requests in chunks.
        while size := int(self.rfile.readline(), 16):
            parts += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return parts

    def _send(self, found: Answer) -> None:
        is_raw = isinstance(found.body, bytes)
        content = found.body if is_raw else json.dumps(found.body).encode()
        # These have no body by definition; one would confuse the next request on the connection.
        if found.status in {204, 304}:
            content = b""
        headers = dict(found.headers)
        if not is_raw:
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        self.send_response(found.status)
        # The length comes last, so that git's own answer cannot set another.
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        """Says that it is a stand-in."""
        return f"local stand-in of {self.far_side.title}"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


for _method in _METHODS:
    setattr(_FarSideHandler, f"do_{_method}", _FarSideHandler.reply)


class _FarSideServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that was killed, or that waits no longer, is what tests are about."""


@contextlib.contextmanager
def serve(far_side: FarSide, port: int = 0) -> Iterator[str]:
    """Serve ``far_side`` on loopback; its address without a slash at the end."""
    # A class of its own for each server: Python makes a handler for each request.
    handler = type("Handler", (_FarSideHandler,), {"far_side": far_side})
    with _FarSideServer(("127.0.0.1", port), handler) as server:
        far_side.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield far_side.url
        finally:
            server.shutdown()
            thread.join()


def refuse_parameters(asked: Asked, known: Iterable[str] = ()) -> None:
    """Raise ``FarSideFault`` where the request has a parameter that is not ``known``."""
    unknown = set(asked.params) - set(known)
    if unknown:
        raise FarSideFault(f"{asked.path} has no parameter {sorted(unknown)}")


def build_link(address: str, asked: Asked, page: int, pages: int) -> dict[str, str]:
    """The ``Link`` header of a page, as GitHub and GitLab send it."""
    links = []
    if page < pages:
        links += [f'<{address}{asked.path}?page={page + 1}>; rel="next"']
        links += [f'<{address}{asked.path}?page={pages}>; rel="last"']
    if page > 1:
        links.append(f'<{address}{asked.path}?page={page - 1}>; rel="prev"')
    return {"Link": ", ".join(links)} if links else {}
