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
    if scope["path"] == "/stream":
        scope.setdefault("state", {})[protocol.ENDLESS] = True
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        # As a real stream: it ends when its reader is gone.
        while (await receive())["type"] != "http.disconnect":
            pass
        return
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


REQUEST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


def read_answer(connection) -> bytes:
    """One answer of a few bytes, whose connection may stay open."""
    answer = b""
    while not answer.endswith(b"\r\n0\r\n\r\n"):
        part = connection.recv(65536)
        assert part, answer
        answer += part
    return answer


def test_a_request_that_was_on_its_way_when_the_process_had_to_leave_is_answered() -> None:
    with serve(application) as one:
        kept, unused = one.connect(REQUEST), one.connect()
        assert read_answer(kept).startswith(b"HTTP/1.1 200 ")
        one.leave()
        # The door is closed, and what is open has a moment left.
        time.sleep(0.4)
        kept.sendall(REQUEST.encode())
        unused.sendall(REQUEST.encode())
        for connection in (kept, unused):
            answer = read_all(connection)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nconnection: close\r\n" in answer.lower()


def test_a_connection_without_a_request_does_not_hold_up_the_process() -> None:
    with serve(application) as one:
        idle, half = one.connect(REQUEST), one.connect("POST / HTTP/1.1\r\nHost: x\r\n")
        read_answer(idle)
        one.leave()
        began = time.monotonic()
        assert read_all(idle) == read_all(half) == b""
        assert time.monotonic() - began < protocol.LINGER_SECONDS + 3


def test_a_stream_that_begins_when_the_process_leaves_does_not_hold_it_up() -> None:
    with serve(application) as one:
        kept = one.connect(REQUEST)
        read_answer(kept)
        one.leave()
        time.sleep(0.4)
        began = time.monotonic()
        kept.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"first" in read_all(kept)
        assert time.monotonic() - began < 3 * protocol.LINGER_SECONDS + 3


@pytest.mark.parametrize(("trusted", "kept"), [(("127.0.0.0/8",), True), (("10.0.0.1", "no address"), False)])
def test_a_trusted_proxy_closes_idle_connections_itself(settings, trusted, kept) -> None:
    settings.TRUSTED_PROXIES = trusted
    protocol.list_trusted_networks.cache_clear()
    try:
        with serve(application, timeout_keep_alive=1) as one:
            connection = one.connect(REQUEST)
            read_answer(connection)
            time.sleep(1.6)
            if kept:
                connection.sendall(REQUEST.encode())
                assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
            else:
                assert read_all(connection) == b""
    finally:
        protocol.list_trusted_networks.cache_clear()
