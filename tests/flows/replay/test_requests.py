"""Asking for a replay: one at a time for a flow, however many ask at once; what is lost is found again."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from orchestrator.core.models import OutgoingEvent
from orchestrator.core.outbox import deliver_due_events
from orchestrator.flows.models import Replay, ReplayKind
from orchestrator.flows.replay import requests
from tests import scenes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=ReplayKind.values)
def kind(request):
    """Each kind of replay."""
    return ReplayKind(request.param)


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, int]]:
    """What was sent, in place of a broker."""
    found: list[tuple[str, int]] = []
    monkeypatch.setattr(
        requests.app, "send_task", lambda name, args, queue, retry: found.append((name, *args))
    )
    return found


def make_events_due() -> None:
    """As if their pauses were over."""
    OutgoingEvent.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_many_who_ask_at_once_are_given_one_replay(kind, sent):
    flow, given, ready = scenes.make_flow(), [], threading.Barrier(8)

    def ask() -> None:
        try:
            ready.wait(10)
            given.append(requests.request_replay(kind, flow, "x").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(given) == 8
    assert set(given) == {Replay.objects.get().pk}
    assert set(sent) == {(requests.TASKS[kind], given[0])}


def test_a_replay_of_each_kind_may_be_under_way_at_the_same_time(sent):
    flow = scenes.make_flow()
    asked = {requests.request_replay(kind, flow, "x").pk for kind in ReplayKind}
    assert len(asked) == 2
    assert {name for name, _ in sent} == {"flows.replay_gates", "flows.replay_flow"}


def test_one_that_has_ended_is_followed_by_another(kind, sent):
    flow = scenes.make_flow()
    first = requests.take_replay(requests.request_replay(kind, flow, "x").pk)
    assert requests.take_replay(first.pk) is None
    assert requests.request_replay(kind, flow, "x") == first, "it runs"
    assert len(sent) == 1, "and is not sent again"
    requests.finish_replay(first, same=True)
    assert requests.request_replay(kind, flow, "x").pk > first.pk


def test_a_message_that_was_lost_is_sent_again_until_a_worker_has_begun(kind, sent, monkeypatch):
    flow = scenes.make_flow()
    asked = requests.request_replay(kind, flow, "x")
    assert requests.find_newest_replay(kind, flow) == asked
    deliver_due_events()
    assert len(sent) == 1, "not before its pause is over"
    make_events_due()

    def away(*given, **more):
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(requests.app, "send_task", away)
        deliver_due_events()
    make_events_due()
    deliver_due_events()
    assert len(sent) == 2
    requests.take_replay(asked.pk)
    make_events_due()
    assert deliver_due_events() == 1
    assert len(sent) == 2
    assert not OutgoingEvent.objects.exists(), "a worker has begun: nothing is left to send"


def test_a_lost_worker_is_replaced_and_what_it_brings_late_does_not_count(kind, sent):
    flow = scenes.make_flow()
    lost = requests.take_replay(requests.request_replay(kind, flow, "x").pk)
    assert lost is not None
    Replay.objects.filter(pk=lost.pk).update(started_at=timezone.now() - timedelta(minutes=16))
    lost.refresh_from_db()
    assert requests.request_replay(kind, flow, "x").status == "pending"
    second = requests.take_replay(lost.pk)
    assert second is not None
    requests.finish_replay(lost, same=True)
    second.refresh_from_db()
    assert (second.status, second.finished_at) == ("running", None)
    requests.finish_replay(second, same=True)
    second.refresh_from_db()
    assert second.finished_at is not None
