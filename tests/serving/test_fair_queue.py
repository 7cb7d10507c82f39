"""A client with many requests or connections waits for itself, and others do not wait for it."""

import threading
from typing import Any

from orchestrator.serving import protocol, threads
from tests.serving.server import read_all, serve, until

FEW_THREADS, MANY = 4, 60


def test_a_request_waits_for_few_of_those_that_another_caller_sent_before(monkeypatch) -> None:
    monkeypatch.setattr(threads, "THREADS", FEW_THREADS)
    answered: list[str] = []
    begun, go_on = threading.Semaphore(0), threading.Event()

    def work(environ: dict[str, Any], start: Any) -> list[bytes]:
        begun.release()
        assert go_on.wait(20)
        answered.append(environ["HTTP_AUTHORIZATION"])
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    application = threads.ThreadedApplication(work)
    with serve(application) as served:
        many = [served.get("/x", Authorization="many", Connection="close") for _ in range(MANY)]
        # One place is kept for others.
        for _ in range(FEW_THREADS - 1):
            assert begun.acquire(timeout=20)
        until(lambda: application._queue._waiting == MANY - FEW_THREADS + 1)
        few = [served.get("/x", Authorization="few", Connection="close") for _ in range(FEW_THREADS)]
        assert begun.acquire(timeout=20), "the place that was kept"
        until(lambda: application._queue._waiting == MANY)
        go_on.set()
        assert all(read_all(one).endswith(b"ok") for one in (*few, *many))
    last = max(number for number, caller in enumerate(answered) if caller == "few")
    assert last < 4 * FEW_THREADS, answered
    application.close()


def test_requests_that_wait_from_one_place_leave_room_for_those_from_others(monkeypatch) -> None:
    monkeypatch.setattr(threads, "THREADS", 1)
    monkeypatch.setattr(threads, "MOST_WAITING", 4)
    go_on = threading.Event()

    def work(environ: dict[str, Any], start: Any) -> list[bytes]:
        assert go_on.wait(20)
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    application = threads.ThreadedApplication(work)
    with serve(application) as served:
        # Each with another token, which costs nothing to make up.
        waiting = [served.get("/x", Authorization=f"{number}", Connection="close") for number in range(3)]
        until(lambda: application._queue._waiting == 2)
        assert read_all(served.get("/x", Authorization="4", Connection="close")).startswith(b"HTTP/1.1 503 ")
        other = served.connect("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", source="127.0.0.2")
        until(lambda: application._queue._waiting == 3)
        go_on.set()
        assert all(read_all(one).endswith(b"ok") for one in (*waiting, other))
    application.close()


def test_connections_from_one_place_leave_room_for_those_from_others(monkeypatch) -> None:
    monkeypatch.setattr(protocol, "MOST_OF_PLACE", 3)

    def answer(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    application = threads.ThreadedApplication(answer)
    ask = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serve(application) as served:
        before = protocol._connections["127.0.0.1"]
        held = [served.connect("GET / HTTP/1.1\r\nX-Slow: ") for _ in range(3)]
        until(lambda: protocol._connections["127.0.0.1"] == before + 3)
        assert read_all(served.connect()).startswith(b"HTTP/1.1 503 ")
        assert read_all(served.connect(ask, source="127.0.0.2")).endswith(b"ok")
        held.pop().close()
        until(lambda: protocol._connections["127.0.0.1"] == before + 2)
        assert read_all(served.connect(ask)).endswith(b"ok")
    application.close()
