"""What a client may send, and how long it may take."""

import time

import pytest

from orchestrator.serving import protocol
from tests.serving.server import read_all, serve

MEGABYTES = 64


async def application(scope, receive, send) -> None:
    """Reads the whole body, and answers with its size, or with much."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/much":
        for _ in range(MEGABYTES):
            await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
def served():
    with serve(application) as one:
        yield one


def test_headers_that_do_not_end_in_time_close_the_connection(served, monkeypatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
    for sent in ("", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
        assert read_all(served.connect(sent)).startswith(b"HTTP/1.1 408 ")
    # The next request of a connection has no more time than the first.
    again = served.connect("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
    assert read_all(again).count(b"HTTP/1.1 ") == 2


def test_a_body_that_does_not_end_in_time_closes_the_connection(served, monkeypatch) -> None:
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.2)
    slow = served.connect("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    assert read_all(slow).startswith(b"HTTP/1.1 408 ")


def test_headers_without_end_are_refused(served) -> None:
    endless = served.connect("GET / HTTP/1.1\r\nHost: x\r\n")
    try:
        for number in range(200):
            endless.sendall(f"X-{number}: {'a' * 1000}\r\n".encode())
        assert read_all(endless).startswith(b"HTTP/1.1 431 ")
    except (BrokenPipeError, ConnectionResetError):
        # Closed while more was on its way: then the kernel may throw the answer away.
        return


def test_a_large_body_is_not_taken_for_headers(served) -> None:
    body = "b" * (3 * protocol.HEADER_BYTES)
    answer = read_all(
        served.connect(
            f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
    )
    assert f"\r\n{len(body)}\r\n".encode() in answer


def test_a_client_that_reads_nothing_is_left(served, monkeypatch) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 1)
    reader = served.get("/much")
    got = 0
    # The server gives up while nothing is read; what the kernel holds by then is all that comes.
    time.sleep(3)
    try:
        while part := reader.recv(2**20):
            got += len(part)
    except ConnectionResetError:
        pass
    assert got < MEGABYTES * 2**20
