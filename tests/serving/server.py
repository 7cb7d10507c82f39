"""A real web server of this process, on a port of its own."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from orchestrator.dev import embedded
from orchestrator.serving.protocol import BoundedProtocol


class Served:
    """The address of the server, and plain sockets to it."""

    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port, self.url, self._server = port, f"http://127.0.0.1:{port}", server
        self.opened: list[socket.socket] = []
        # What is read only after the server's end, and what was found then.
        self.kept: list[socket.socket] = []
        self.rest: list[bytes] = []

    def connect(self, sent: str = "", *, source: str = "127.0.0.1") -> socket.socket:
        """A connection from the address ``source`` that has sent ``sent``."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))
        self.opened.append(made)
        made.sendall(sent.encode())
        return made

    def leave(self) -> None:
        """Tell the process to stop, as SIGTERM does."""
        self._server.should_exit = True

    def get(self, path: str, **headers: str) -> socket.socket:
        """A connection that has asked for ``path``."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return self.connect(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n")


@contextmanager
def serve(application: Any, **options: Any) -> Iterator[Served]:
    """Serve an ASGI application as the Procfile does, with further ``options`` of uvicorn."""
    port = embedded.find_free_port()
    config = uvicorn.Config(
        application,
        port=port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        **options,
    )
    server = uvicorn.Server(config)
    served = Served(port, server)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        served.rest = [read_all(connection) for connection in served.kept]
        for connection in served.opened:
            connection.close()
        assert not thread.is_alive()


def until(ready: Callable[[], bool]) -> None:
    """Wait until ``ready()``."""
    end = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
