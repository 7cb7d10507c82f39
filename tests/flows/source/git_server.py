"""A git server on loopback: git's own smart HTTP behind Python's server, and hostile servers."""

import hashlib
import os
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMITTER = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def run_git(folder: Path, *words: str, given: bytes = b"") -> str:
    command, environ = ["git", "-C", str(folder), *words], {**os.environ, **COMMITTER}
    return (
        subprocess.run(command, input=given, env=environ, check=True, capture_output=True)
        .stdout.decode()
        .strip()
    )


@dataclass
class GitServer:
    """Serves the bare repos under ``root``. ``asked`` are the requests that came; ``hostile`` may answer
    one in git's place.
    """

    root: Path
    port: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    hostile: Callable[[BaseHTTPRequestHandler, bytes], bool] | None = None
    sent: int = 0

    def url(self, repo: str = "repo.git") -> str:
        return f"http://127.0.0.1:{self.port}/{repo}"


@contextmanager
def serve_git(root: Path, *, certificate: Path | None = None) -> Iterator[GitServer]:
    """A server on a free port; with TLS where ``certificate`` has one and its key."""
    server = GitServer(root)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *given: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.close_connection = True
            server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            body = self._body()
            try:
                if server.hostile is None or not server.hostile(self, body):
                    self._git(body)
            except OSError:  # the client has left
                pass

        do_POST = do_GET  # noqa: N815 - as Python's server calls it

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = b""
                while size := int(self.rfile.readline(), 16):
                    parts += self.rfile.read(size)
                    self.rfile.readline()
                return parts
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _git(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            environ = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1",
                "HOME": str(root),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=environ, capture_output=True, check=False
            )
            head, _, rest = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in {**headers, "Content-Length": str(len(rest))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(rest)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        _encrypt(http, certificate)
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join(10)


def _encrypt(http: ThreadingHTTPServer, certificate: Path | None) -> None:
    if certificate is None:
        return
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    # The handshake in the thread of the connection: one that fails must not end the server.
    http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)


class GitRepo:
    """A repo that is made file by file, also from entries that no honest git would write."""

    def __init__(self, server: GitServer) -> None:
        self.bare = server.root / "repo.git"
        run_git(server.root, "init", "-q", "--bare", "-b", "main", "repo.git")
        self.entries: list[str] = []

    def put(self, path: str, content: bytes, mode: str = "100644") -> "GitRepo":
        sha = run_git(self.bare, "hash-object", "-w", "--stdin", given=content)
        self.entries.append(f"{mode} {sha}\t{path}")
        return self

    def commit(self) -> str:
        index = {**os.environ, **COMMITTER, "GIT_INDEX_FILE": str(self.bare / "scratch")}
        given = "".join(f"{entry}\n" for entry in self.entries).encode()
        subprocess.run(
            ["git", "-C", self.bare, "update-index", "--index-info"], input=given, env=index, check=True
        )
        tree = subprocess.run(
            ["git", "-C", self.bare, "write-tree", "--missing-ok"], env=index, check=True, capture_output=True
        )
        return self.point(tree.stdout.decode().strip())

    def point(self, tree: str) -> str:
        sha = run_git(self.bare, "commit-tree", tree, "-m", "x")
        run_git(self.bare, "update-ref", "refs/heads/main", sha)
        return sha


def redirect_all(target: str) -> Callable[[BaseHTTPRequestHandler, bytes], bool]:
    """Redirects every request to ``target``."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        handler.send_response(302)
        handler.send_header("Location", target + handler.path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return answer


def answer_with_status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler, bytes], bool]:
    """Answers with a status alone."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        handler.send_response(code)
        for name, value in {**headers, "Content-Length": "0"}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        return True

    return answer


def answer_nothing(seconds: float) -> Callable[[BaseHTTPRequestHandler, bytes], bool]:
    """Takes the request and says nothing for ``seconds``."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        time.sleep(seconds)
        return True

    return answer


def send_endless_pack(server: GitServer, most: int) -> Callable[[BaseHTTPRequestHandler, bytes], bool]:
    """A pack with one object that does not end, ``most`` bytes at most; counts what was sent."""

    def packet(content: bytes) -> bytes:
        return f"{len(content) + 4:04x}".encode() + content

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        if b"command=fetch" not in body:
            return False
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-result")
        handler.end_headers()
        # A blob of 2**40 bytes: type and length in the header, seven bits a byte after the first four.
        length, header = 1 << 40, []
        byte, length = (3 << 4) | (length & 15), length >> 4
        while length:
            header.append(byte | 0x80)
            byte, length = length & 0x7F, length >> 7
        handler.wfile.write(packet(b"packfile\n"))
        handler.wfile.write(packet(b"\1PACK" + (2).to_bytes(4) + (1).to_bytes(4) + bytes([*header, byte])))
        squeeze = zlib.compressobj(0)
        while server.sent < most:
            part = squeeze.compress(os.urandom(32_000)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            handler.wfile.write(packet(b"\1" + part))
            server.sent += len(part)
        return True

    return answer


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate for ``name`` that has signed itself, and its key, in one file."""
    made = folder / "server.pem"
    key, certificate = folder / "key.pem", folder / "cert.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    command = ["openssl", "req", *words, *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    made.write_bytes(certificate.read_bytes() + key.read_bytes())
    made.chmod(0o644)
    return made


def drip(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    """An answer of a megabyte that comes a byte at a time, fast enough for a limit on slow transfers."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
    handler.send_header("Content-Length", str(1 << 20))
    handler.end_headers()
    for _ in range(400):
        handler.wfile.write(b"0")
        time.sleep(0.05)
    return True


def send_delta_bomb(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    """A pack of a small blob and of a delta that makes 64 GB of it by copying, in a few hundred bytes."""
    if b"command=fetch" not in body:
        return False

    def packet(content: bytes) -> bytes:
        return f"{len(content) + 4:04x}".encode() + content

    def number(value: int) -> bytes:
        parts = []
        while value > 0x7F:
            parts.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*parts, value])

    def entry(kind: int, content: bytes, between: bytes = b"") -> bytes:
        size = len(content)
        first, size = kind << 4 | size & 15, size >> 4
        head = bytes([first | 0x80]) + number(size) if size else bytes([first])
        return head + between + zlib.compress(content)

    base = bytes(1 << 16)
    blob = entry(3, base)
    # Copies the whole base, 0x10000 bytes, once an instruction.
    delta = number(len(base)) + number(1 << 36) + b"\x80" * 4096
    negative = len(blob)
    back = [negative & 0x7F]
    while negative := negative >> 7:
        negative -= 1
        back.insert(0, negative & 0x7F | 0x80)
    pack = b"PACK" + (2).to_bytes(4) + (2).to_bytes(4) + blob + entry(6, delta, bytes(back))
    pack += hashlib.sha1(pack, usedforsecurity=False).digest()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-git-upload-pack-result")
    handler.end_headers()
    handler.wfile.write(packet(b"packfile\n"))
    for place in range(0, len(pack), 60_000):
        handler.wfile.write(packet(b"\1" + pack[place : place + 60_000]))
    handler.wfile.write(b"0000")
    return True
