"""What a process holds for slow clients is bounded, and given back when they go."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.serving import threads
from orchestrator.serving.held_bytes import ALWAYS_FREE, HeldBytes
from tests.serving.server import Served, read_all, serve, until

MEGABYTE = 1024 * 1024
# Half of it is for those from one place.
ROOM = 8 * MEGABYTE
# More than the buffers of two sockets, so that most of it stays with the server.
LONG = 16 * MEGABYTE


def application(environ: dict[str, Any], start: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    answer = b"y" * int(environ["PATH_INFO"].strip("/") or 0) or str(len(body)).encode()
    start("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


class Bounded:
    def __init__(self, served: Served, held: HeldBytes) -> None:
        self.served, self.held = served, held

    def left(self) -> int:
        return self.held._left

    def post(self, size: int, sent: int | None = None, source: str = "127.0.0.1") -> socket.socket:
        """A request with a body of ``size``, of which ``sent`` have been sent."""
        head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        return self.served.connect(head + "x" * (size if sent is None else sent), source=source)


def grow(held: HeldBytes) -> None:
    """Room for one long answer, and not for two, of those from one place."""
    held._most = held._left = 3 * LONG


@pytest.fixture
def bounded() -> Iterator[Bounded]:
    held = HeldBytes(ROOM)
    made = threads.ThreadedApplication(application, held)
    with serve(made) as served:
        yield Bounded(served, held)
    made.close()


def test_bodies_that_do_not_end_leave_room_for_ordinary_requests(bounded: Bounded) -> None:
    # Each is within the bound of one body, and they never end.
    slow = [bounded.post(2 * MEGABYTE, sent=MEGABYTE) for _ in range(4)]
    until(lambda: bounded.left() < 6 * MEGABYTE)
    refused = read_all(bounded.post(3 * MEGABYTE))
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 2" in refused
    assert b'"code": "service:busy"' in refused
    assert read_all(bounded.post(ALWAYS_FREE)).endswith(f"\r\n{ALWAYS_FREE}".encode())
    # Others are refused nothing.
    elsewhere = read_all(bounded.post(3 * MEGABYTE, source="127.0.0.2"))
    assert elsewhere.endswith(f"\r\n{3 * MEGABYTE}".encode())
    for one in slow:
        one.close()
    until(lambda: bounded.left() == ROOM)
    assert read_all(bounded.post(3 * MEGABYTE)).endswith(f"\r\n{3 * MEGABYTE}".encode())


def test_answers_that_nobody_reads_are_bounded_too(bounded: Bounded) -> None:
    grow(bounded.held)
    reader = bounded.served.get(f"/{LONG}", Connection="close")
    until(lambda: bounded.left() < 3 * LONG)
    assert read_all(bounded.served.get(f"/{LONG}", Connection="close")).startswith(b"HTTP/1.1 503 ")
    assert read_all(bounded.served.get("/7", Connection="close")).endswith(b"yyyyyyy")
    answer = read_all(reader)
    assert answer.endswith(b"\r\n\r\n" + b"y" * LONG)
    until(lambda: bounded.left() == 3 * LONG)


def test_a_client_that_reads_by_drops_is_left(bounded: Bounded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "ANSWER_SECONDS", 0.5)
    grow(bounded.held)
    reader = bounded.served.get(f"/{LONG}", Connection="close")
    got = len(reader.recv(1000))
    until(lambda: bounded.left() == 3 * LONG)
    time.sleep(0.1)
    try:
        got += len(read_all(reader))
    except ConnectionResetError:
        pass
    assert got < LONG
