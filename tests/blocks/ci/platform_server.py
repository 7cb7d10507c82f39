"""A loopback server that keeps state and answers JSON: what the stand-ins of GitHub and GitLab share."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; ``headers`` by lower-case name."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def bearer(self) -> str:
        """The token that it carries."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON body, and further headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Platform(Protocol):
    """What answers. ``faults`` is what it found wrong with itself or with a request; a test wants none."""

    faults: list[str]

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        ...


@contextlib.contextmanager
def serve(platform: Platform) -> Iterator[str]:
    """Serve ``platform``; its address without a slash at the end."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            asked = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(raw) if raw else None,
            )
            with lock:
                try:
                    found = platform.answer(asked)
                except Exception as error:  # noqa: BLE001 - a test must see it
                    platform.faults.append(f"{asked.method} {asked.path}: {error!r}")
                    found = Answer(500, {"message": "Server Error"})
            content = json.dumps(found.body).encode()
            self.send_response(found.status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return None

    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.reply)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True, slots=True)
class Remote:
    """The repository behind a platform: bare, with a branch ``main``."""

    place: Path

    def git(self, *words: str) -> str:
        """Run git in it; what it printed."""
        return subprocess.run(
            ["git", "-C", str(self.place), *words], capture_output=True, text=True, check=True
        ).stdout

    def has_branch(self, name: str) -> bool:
        """Whether there is a branch of that name."""
        return bool(self.git("for-each-ref", f"refs/heads/{name}"))

    def count_commits(self, base: str, branch: str) -> int:
        """How many commits ``branch`` has that ``base`` lacks."""
        return int(self.git("rev-list", "--count", f"{base}..{branch}"))

    def list_files(self, branch: str) -> list[str]:
        """The paths of all files in a branch."""
        return self.git("ls-tree", "-r", "--name-only", branch).splitlines()


def build_link(address: str, asked: Asked, page: int, pages: int) -> dict[str, str]:
    """The ``Link`` header of a page, as both platforms send it."""
    links = []
    if page < pages:
        links += [f'<{address}{asked.path}?page={page + 1}>; rel="next"']
        links += [f'<{address}{asked.path}?page={pages}>; rel="last"']
    if page > 1:
        links.append(f'<{address}{asked.path}?page={page - 1}>; rel="prev"')
    return {"Link": ", ".join(links)} if links else {}
