"""The status page: what is ok, degraded or down."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import Mock
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.flows.models import Stage
from orchestrator.flows.worker import presence
from orchestrator.ops.observability import part_health
from orchestrator.queues import Queue
from providers.models import ProviderState
from tests import scenes


@pytest.fixture(autouse=True)
def workers(monkeypatch) -> Iterator[list[presence.Presence]]:
    """A worker for each queue, who has just beaten. Tests of other processes have workers too."""
    monkeypatch.setattr(presence, "KEY", f"{presence.KEY}:{uuid4()}")
    beating = [presence.Presence([queue.value]) for queue in Queue]
    for worker in beating:
        worker.beat()
    yield beating
    for worker in beating:
        worker.leave()


@pytest.fixture(autouse=True)
def disk(monkeypatch) -> list[int]:
    """Half of the evidence disk is free, regardless of the machine: free and size, in bytes."""
    space = [50, 100]
    monkeypatch.setattr(
        part_health.shutil, "disk_usage", lambda _: SimpleNamespace(free=space[0], total=space[1])
    )
    return space


def read_status_page() -> str:
    return Client().get("/status/").content.decode()


def test_all_is_well(db):
    text = read_status_page()
    assert "<h1>Everything works</h1>" in text
    # The key of the 90 days names every level once.
    assert text.count("degraded</span>") == 1


def test_a_worker_that_does_not_beat_and_a_queue_without_one_are_shown(db, workers, monkeypatch):
    workers[0].leave()
    text = read_status_page()
    assert "<h1>Works in part</h1>" in text
    assert "idle; no worker answers" in text
    # A second one of the next queue stops beating, as a frozen process does.
    monkeypatch.setattr(presence.os, "getpid", lambda: 1)
    presence.Presence([Queue.OPENAI.value]).beat()
    assert presence.count_workers()[Queue.OPENAI.value] == presence.QueueWorkers(beating=2)
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        late = next(name for name in broker.zrange(presence.KEY, 0, -1) if name.endswith(b":1"))
        broker.zincrby(presence.KEY, -presence.SILENT_SECONDS - 1, late)
        assert "idle; 1 of 2 workers do not answer" in read_status_page()
        assert presence.count_workers()[Queue.OPENAI.value] == presence.QueueWorkers(beating=1, silent=1)
        broker.zrem(presence.KEY, late)


def test_everything_does_not_work_below_the_target(db):
    for passed in (True, False):
        scenes.run_through(scenes.make_flow(), gates_fail=not passed)
    text = read_status_page()
    assert "<h1>Works in part</h1>" in text
    assert "50.0 % in 24 hours, the target is 99 %" in text


def test_a_queue_that_nobody_works_off_is_degraded(db):
    flow = scenes.make_flow()
    Stage.objects.filter(flow=flow, status="ready").update(ready_at=timezone.now() - timedelta(minutes=10))
    text = read_status_page()
    assert "<h1>Works in part</h1>" in text
    assert "0 running, 1 queued, the oldest for 10 min" in text


def test_a_provider_that_is_paused_is_degraded(db):
    read_status_page()
    assert (
        ProviderState.objects.filter(provider="openai").update(paused=True, pause_reason="secret reason") == 1
    )
    text = read_status_page()
    assert "paused by an operator" in text
    assert "secret reason" not in text


def test_the_core_down_is_down(db, settings, workers):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    text = read_status_page()
    assert "<h1>Something is down</h1>" in text
    assert "Providers" not in text


@pytest.mark.parametrize("path", ["/nope/", "/flows/x/y/z/"])
def test_what_is_not_there_says_so_in_our_own_page(db, path):
    answer = Client().get(path)
    assert answer.status_code == 404
    assert "no such page" in answer.content.decode()
    assert "Content-Security-Policy" in answer


def test_what_flows_need_later_is_degraded_and_the_service_stays_ready(transactional_db, settings, disk):
    assert "50 % of its disk is free" in read_status_page()
    disk[0] = 9
    settings.WATCHED_TOKENS = {"xyzzy": (timezone.now() + timedelta(days=3)).date().isoformat()}
    settings.WATCHED_CERTIFICATES = ("/nowhere/to/be/found.pem",)
    OutgoingEvent.objects.create(
        subscriber="replay.requested/worker", due_at=timezone.now() - timedelta(minutes=5)
    )
    text = read_status_page()
    assert "<h1>Works in part</h1>" in text
    for words in (
        "9 % of its disk is free",
        "the next ends in 2 days",
        "cannot be read",
        "1 to deliver, 5 min",
    ):
        assert words in text, words
    # Names of tokens and paths stay inside.
    assert "xyzzy" not in text
    assert "nowhere" not in text
    # No process repairs a disk by taking no traffic.
    assert Client().get("/ready").status_code == 200
    OutgoingEvent.objects.update(attempts=16)
    assert "1 given up" in read_status_page()


@pytest.mark.parametrize("host", ["evil.example", "a b", "[::1", "x" * 3000])
def test_another_host_is_refused_in_the_form_that_was_asked_for(host):
    client = Client(raise_request_exception=False)
    page = client.get("/status/", headers={"Host": host})
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")
    answer = client.get("/api/v1/flows/", headers={"Host": host})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "request:malformed"
    assert host not in answer.content.decode() + page.content.decode()


def test_an_error_outside_of_a_view_is_a_problem_too_where_the_api_is_asked(monkeypatch):
    for error, status in ((OperationalError("away"), 503), (RuntimeError("a fault"), 500)):
        monkeypatch.setattr(SessionMiddleware, "process_request", Mock(side_effect=error))
        answer = Client(raise_request_exception=False).get("/api/v1/flows/")
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
        assert answer.json()["status"] == status
        assert ("Retry-After" in answer) is (status == 503)
        page = Client(raise_request_exception=False).get("/status/")
        assert (page.status_code, page["Content-Type"]) == (status, "text/html; charset=utf-8")
