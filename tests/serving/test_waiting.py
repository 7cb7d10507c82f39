"""Connections that wait take nothing from those who are answered."""

import asyncio
import json
import threading
import urllib.request
from contextlib import nullcontext

import pytest
from django.core.wsgi import get_wsgi_application

from blocks.cli.client import Client
from orchestrator.flows.api import event_reader, event_stream
from orchestrator.flows.api.follower_seats import seats
from orchestrator.flows.models import FlowEvent
from orchestrator.repos import tokens
from orchestrator.serving import threads
from orchestrator.version import VERSION
from tests import scenes
from tests.serving.server import Served, read_all, serve, until

FEW_THREADS, FOLLOWERS, HALF_OPEN = 2, 40, 40


@pytest.fixture(autouse=True)
def few_threads(monkeypatch) -> None:
    """Less threads than there are connections, so that one that takes a thread is noticed."""
    monkeypatch.setattr(threads, "THREADS", FEW_THREADS)


def fetch(service: Served, path: str, secret: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    with urllib.request.urlopen(
        urllib.request.Request(service.url + path, headers=headers), timeout=20
    ) as got:
        return bytes(got.read())


def test_followers_and_half_open_connections_hold_up_nobody(service) -> None:
    flow = scenes.make_flow()
    _, secret = tokens.create_token("t", flow.repo)
    path = f"/api/v1/flows/{flow.id}/events/"
    for _ in range(HALF_OPEN):
        service.connect("GET /health HTTP/1.1\r\nHo")
        # A body that never comes.
        service.connect("POST /api/v1/flows/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    followers = [service.get(path, Authorization=f"Bearer {secret}") for _ in range(FOLLOWERS)]
    until(lambda: seats.count() == FOLLOWERS)
    assert json.loads(fetch(service, "/health")) == {"status": "ok", "version": VERSION}
    assert json.loads(fetch(service, "/ready"))["status"] == "ok"
    assert json.loads(fetch(service, "/api/v1/flows/", secret))["results"][0]["id"] == flow.id
    # All of them still get what happens next.
    FlowEvent.objects.create(flow=flow, kind="flow.paused")
    scenes.cancel_flow(flow)
    for follower in followers:
        text = b""
        while b"event: end" not in text:
            text += follower.recv(65536)
        assert b"event: flow.paused" in text
    until(lambda: seats.count() == 0)


def test_who_waits_for_the_end_of_a_flow_holds_up_nobody_either(service) -> None:
    flow = scenes.make_flow()
    _, secret = tokens.create_token("t", flow.repo)
    path = f"/api/v1/flows/{flow.id}/?wait=60&fields=status"
    waiting = [service.get(path, Authorization=f"Bearer {secret}") for _ in range(FOLLOWERS)]
    until(lambda: seats.count() == FOLLOWERS)
    assert json.loads(fetch(service, "/api/v1/flows/", secret))["results"][0]["id"] == flow.id
    scenes.cancel_flow(flow)
    for one in waiting:
        text = b""
        while b'{"status":"cancelled"}' not in text:
            text += one.recv(65536)
    until(lambda: seats.count() == 0)


def test_a_follower_who_leaves_is_noticed_at_once(service) -> None:
    flow = scenes.make_flow()
    _, secret = tokens.create_token("t", flow.repo)
    follower = service.get(f"/api/v1/flows/{flow.id}/events/", Authorization=f"Bearer {secret}")
    until(lambda: seats.count() == 1)
    follower.close()
    # Long before the next keep-alive, which would be the first thing that it does not take.
    until(lambda: seats.count() == 0)


@pytest.mark.parametrize("turns", range(6))
def test_a_follower_who_leaves_as_frames_come_is_noticed_too(monkeypatch, turns: int) -> None:
    watch = event_reader.Watch("a flow", 0)
    monkeypatch.setattr(event_reader, "watch_flow", lambda *_: nullcontext(watch))

    async def follow() -> None:
        parts = aiter(event_stream.EventStream(watch.flow_id, 0, seats.take("somebody")))
        await anext(parts)
        following = asyncio.ensure_future(anext(parts))
        for _ in range(5):
            await asyncio.sleep(0)
        watch.give(event_reader.News("running", (event_reader.Frame(1, "data: x\n\n"),)))
        # Between the frames and the leaving lie as many turns of the loop.
        for _ in range(turns):
            await asyncio.sleep(0)
        if following.cancel():
            with pytest.raises(asyncio.CancelledError):
                await following

    asyncio.run(follow())
    seats.give_back("somebody")


def test_the_command_line_looks_now_and_then_where_it_cannot_follow(service, settings) -> None:
    settings.FOLLOWERS_PER_TOKEN = 1
    flow = scenes.make_flow()
    _, secret = tokens.create_token("t", flow.repo)
    service.get(f"/api/v1/flows/{flow.id}/events/", Authorization=f"Bearer {secret}")
    until(lambda: seats.count() == 1)
    with Client(service.url, secret) as client:
        events = client.events(flow.id)
        assert next(events).kind == "poll"
        scenes.cancel_flow(flow)
        assert [event.kind for event in events][-1] == "end"


def test_streams_end_when_the_process_leaves(transactional_db) -> None:
    flow = scenes.make_flow()
    _, secret = tokens.create_token("t", flow.repo)
    application = threads.ThreadedApplication(get_wsgi_application())
    with serve(application) as served:
        follower = served.get(f"/api/v1/flows/{flow.id}/events/", Authorization=f"Bearer {secret}")
        served.kept.append(follower)
        until(lambda: seats.count() == 1)
    # `serve` has joined the server's thread: it did not wait for the end of the flow.
    assert b"retry: 1000" in served.rest[0]
    assert seats.count() == 0
    application.close()


def test_more_requests_than_can_wait_are_refused_with_a_time(monkeypatch) -> None:
    monkeypatch.setattr(threads, "MOST_WAITING", 0)
    working, go_on = threading.Semaphore(0), threading.Event()

    def slow(environ, start):
        if environ["PATH_INFO"] not in threads.PROBES:
            working.release()
            assert go_on.wait(20)
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    application = threads.ThreadedApplication(slow)
    with serve(application) as served:
        busy = [served.get("/x", Connection="close") for _ in range(FEW_THREADS)]
        for _ in busy:
            assert working.acquire(timeout=20)
        refused = read_all(served.get("/x", Connection="close"))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 2" in refused
        assert b'"code": "service:busy"' in refused
        # Who asks whether the process lives is not in that queue.
        assert read_all(served.get("/health", Connection="close")).endswith(b"ok")
        go_on.set()
        assert all(read_all(one).endswith(b"ok") for one in busy)
    application.close()
