"""Asking for a replay: one at a time for a flow, whoever asks at once; what is lost is found again."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from orchestrator.flows.models import FlowReplay, GateReplay
from orchestrator.flows.replay import requests
from tests import scenes

pytestmark = pytest.mark.django_db(transaction=True)
ENDED = {GateReplay: "done", FlowReplay: "same"}


@pytest.fixture(params=[GateReplay, FlowReplay])
def kind(request):
    """Each kind of replay."""
    return request.param


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, int]]:
    """What was sent, in place of a broker."""
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(
        requests.app, "send_task", lambda name, args, queue, retry: found.append((name, *args))
    )
    return found


def move(asked, **times) -> None:
    type(asked).objects.filter(pk=asked.pk).update(**times)


def test_many_who_ask_at_once_are_given_one_replay(kind, sent):
    flow, given, ready = scenes.flow(), [], threading.Barrier(8)

    def ask() -> None:
        try:
            ready.wait(10)
            given.append(requests.ask(kind, flow, "x").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(given) == 8
    assert set(given) == {kind.objects.get().pk}
    assert set(sent) == {(kind.TASK, given[0])}


def test_one_that_has_ended_is_followed_by_another(kind, sent):
    flow = scenes.flow()
    first = requests.take(kind, requests.ask(kind, flow, "x").pk)
    assert requests.take(kind, first.pk) is None
    assert requests.ask(kind, flow, "x") == first, "it runs"
    assert len(sent) == 1, "and is not sent again"
    requests.end(first, ENDED[kind])
    assert requests.ask(kind, flow, "x").pk > first.pk


def test_a_message_that_was_lost_is_sent_again_by_whoever_looks(kind, sent, monkeypatch):
    flow = scenes.flow()
    asked = requests.ask(kind, flow, "x")
    assert requests.newest(kind, flow) == asked
    assert len(sent) == 1
    move(asked, sent_at=timezone.now() - timedelta(seconds=11))

    def away(*given, **more):
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(requests.app, "send_task", away)
        assert requests.newest(kind, flow) == asked
    move(asked, sent_at=timezone.now() - timedelta(seconds=11))
    assert requests.newest(kind, flow) == asked
    assert len(sent) == 2


def test_a_lost_worker_is_replaced_and_what_it_brings_late_does_not_count(kind, sent):
    flow = scenes.flow()
    lost = requests.take(kind, requests.ask(kind, flow, "x").pk)
    move(lost, started_at=timezone.now() - timedelta(minutes=16))
    lost.refresh_from_db()
    assert requests.ask(kind, flow, "x").status == "pending"
    second = requests.take(kind, lost.pk)
    requests.end(lost, ENDED[kind])
    second.refresh_from_db()
    assert (second.status, second.finished_at) == ("running", None)
    requests.end(second, ENDED[kind])
    second.refresh_from_db()
    assert second.finished_at is not None
