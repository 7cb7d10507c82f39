"""The outbox: an event is bound to its transaction, and delivered at least once, even if a process dies in
between.
"""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from django.utils import timezone

from orchestrator.core import outbox
from orchestrator.core.models import OutgoingEvent
from orchestrator.core.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)
received: list[int] = []
done_with: list[bool] = []


def receive(event: OutgoingEvent) -> bool:
    """A subscriber that remembers, and is done with an event unless the test says otherwise."""
    received.append(event.payload["number"])
    return done_with.pop(0) if done_with else True


def fail(event: OutgoingEvent) -> bool:
    raise ConnectionError("nobody answers")


@pytest.fixture(autouse=True)
def subscribers(monkeypatch):
    """Two subscribers of one kind: one that takes everything, one that always fails."""
    received.clear()
    done_with.clear()
    table: Registry[outbox.Subscriber] = Registry(
        "subscriber", {"test/good": f"{__name__}:receive", "test/bad": f"{__name__}:fail"}
    )
    monkeypatch.setattr(outbox, "SUBSCRIBERS", table)


def publish(number: int) -> None:
    with transaction.atomic():
        outbox.publish_event("test", {"number": number})


def make_due() -> None:
    OutgoingEvent.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_an_event_dies_with_a_rollback_and_needs_a_transaction():
    with pytest.raises(RuntimeError, match="transaction"):
        outbox.publish_event("test", {"number": 1})
    with transaction.atomic():
        outbox.publish_event("test", {"number": 1})
        transaction.set_rollback(True)
    assert received == []
    assert not OutgoingEvent.objects.exists()


def test_each_subscriber_gets_it_after_the_commit_and_one_that_fails_holds_up_no_other():
    with transaction.atomic():
        outbox.publish_event("test", {"number": 1})
        assert received == [], "not before the commit"
    assert received == [1]
    (left,) = OutgoingEvent.objects.all()
    assert (left.subscriber, left.attempts, left.last_error) == ("test/bad", 1, "ConnectionError")
    assert left.due_at > timezone.now() + timedelta(seconds=outbox.FIRST_PAUSE_SECONDS - 2)


def test_killed_between_commit_and_delivery_it_is_delivered_afterwards(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "on_commit", lambda *given, **more: None)  # the process is gone
        publish(1)
    assert received == []
    outbox.deliver_due_events()
    assert received == [1]
    outbox.deliver_due_events()
    assert received == [1], "delivered is delivered"


def test_a_process_that_dies_in_a_delivery_costs_one_pause(monkeypatch):
    class Killed(BaseException):
        """What no code catches."""

    def die(event):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_deliver_event", die)
        with pytest.raises(Killed):
            publish(1)
    outbox.deliver_due_events()
    assert received == [], "it was taken, so it waits for its pause"
    make_due()
    outbox.deliver_due_events()
    assert received == [1]


def test_a_subscriber_that_is_not_done_gets_it_again_after_growing_pauses_up_to_a_bound():
    done_with[:] = [False] * 100
    publish(1)
    events = OutgoingEvent.objects.filter(subscriber="test/good")
    pauses = []
    for _ in range(outbox.MAX_ATTEMPTS + 3):
        events.update(due_at=timezone.now() - timedelta(seconds=1))
        before = timezone.now()
        outbox.deliver_due_events()
        pauses.append((events.get().due_at - before).total_seconds())
    assert received == [1] * outbox.MAX_ATTEMPTS
    grown = pauses[: outbox.MAX_ATTEMPTS - 1]
    assert grown[0] == pytest.approx(2 * outbox.FIRST_PAUSE_SECONDS, abs=2)
    assert all(later >= earlier - 1 for earlier, later in pairwise(grown))
    assert max(grown) == pytest.approx(outbox.LONGEST_PAUSE_SECONDS, abs=2)


def test_an_operator_makes_an_event_due_again(admin_client):
    publish(1)
    OutgoingEvent.objects.update(attempts=outbox.MAX_ATTEMPTS)
    make_due()
    outbox.deliver_due_events()
    assert OutgoingEvent.objects.get().attempts == outbox.MAX_ATTEMPTS
    body = {"action": "deliver_again", "_selected_action": [OutgoingEvent.objects.get().pk], "index": "0"}
    assert admin_client.post("/admin/core/outgoingevent/", body).status_code == 302
    outbox.deliver_due_events()
    assert OutgoingEvent.objects.get().attempts == 1
