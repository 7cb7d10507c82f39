"""Events that leave this process: written in the transaction that caused them, delivered at least once.

A message that is sent inside a transaction may tell of something that is rolled back; one that is sent after
the commit is lost when the process dies in between. So ``publish_event`` writes a row, and the row is
delivered:

1. After the commit, by the process that wrote it, because that is the quickest.
2. By the dispatcher's tick, where the process died, or the delivery failed, or the subscriber wants the event
   again.

A process takes the row before it delivers: one statement counts the attempt and sets when the row is due
again. So two processes do not deliver it at the same moment, and a process that dies in the middle costs no
more than one pause. But a process may die after the subscriber has acted and before the row is gone. **A
subscriber that gets an event twice must act once.**

The pauses double from ``FIRST_PAUSE_SECONDS`` to ``LONGEST_PAUSE_SECONDS``. After ``MAX_ATTEMPTS``, about
four hours, an event is left alone; the admin lists it under outgoing events and can make it due again.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction

from orchestrator.core.database import fetch_rows
from orchestrator.core.models import OutgoingEvent
from orchestrator.core.registry import Registry
from orchestrator.core.sql import load_statements

FIRST_PAUSE_SECONDS = 10
LONGEST_PAUSE_SECONDS = 1800
MAX_ATTEMPTS = 16
BATCH = 20
log = logging.getLogger(__name__)

Subscriber = Callable[[OutgoingEvent], bool | datetime]
"""Takes an event.

True: it is done with it. False: deliver it again after the pause. An exception does the same. A time: deliver
it again then; a wait that was wished for counts as no attempt.
"""

# "<kind of event>/<subscriber>". Each subscriber of a kind gets a row of its own, so that one that fails
# holds up no other.
SUBSCRIBERS: Registry[Subscriber] = Registry(
    "subscriber",
    {
        "replay.requested/worker": "orchestrator.flows.replay.requests:send_to_worker",
        "flow.ended/subscriptions": "orchestrator.ops.notifications.subscriptions:tell_of_end",
        "gate.judged/subscriptions": "orchestrator.ops.notifications.subscriptions:tell_of_verdict",
        "announced/subscriptions": "orchestrator.ops.notifications.subscriptions:tell_of_announcement",
        "rollback.applied/worker": "orchestrator.ops.rollback.enforcement:send_to_worker",
        "notification.created/worker": "orchestrator.ops.notifications.delivery:send_to_worker",
    },
)
_SQL = load_statements(__file__)


def publish_event(kind: str, payload: Mapping[str, Any]) -> None:
    """Write an event for every subscriber of ``kind``, in the caller's transaction.

    Raises ``RuntimeError`` outside a transaction: the event would not be bound to what caused it.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"The event {kind} must be published in the transaction that caused it.")
    subscribers = [name for name in SUBSCRIBERS if name.startswith(f"{kind}/")]
    rows = [OutgoingEvent(subscriber=name, payload=dict(payload)) for name in subscribers]
    ids = [row.pk for row in OutgoingEvent.objects.bulk_create(rows)]
    # Robust: the transaction has succeeded, so its caller must not see an error of a delivery that is tried
    # again anyway.
    transaction.on_commit(partial(deliver_due_events, only=ids), robust=True)


def deliver_due_events(*, only: Sequence[int] | None = None) -> int:
    """Deliver events that are due, at most ``BATCH``, or those of ``only``; return how many are done with.

    Raises ``DatabaseError`` and ``InterfaceError`` while the database is away; nothing is lost by that.
    """
    parameters = {
        "first": FIRST_PAUSE_SECONDS,
        "longest": LONGEST_PAUSE_SECONDS,
        "bound": MAX_ATTEMPTS,
        "only": None if only is None else list(only),
        "limit": BATCH,
    }
    taken_ids = [row.id for row in fetch_rows(_SQL["take_due_events"], parameters)]
    if not taken_ids:
        return 0
    # The statement returns ids only: Django parses JSON columns itself, psycopg's row would hold text.
    events = OutgoingEvent.objects.filter(pk__in=taken_ids)
    return sum(_deliver_event(event) for event in events)


def _deliver_event(event: OutgoingEvent) -> bool:
    """Give one event to its subscriber; whether the subscriber is done with it."""
    error_name = ""
    done: bool | datetime
    try:
        done = SUBSCRIBERS.get(event.subscriber)(event)
    except (DatabaseError, InterfaceError):
        raise
    # The outermost edge of a subscriber: its defect must not stop the others, or the dispatcher.
    except Exception as error:  # noqa: BLE001
        done, error_name = False, type(error).__name__
        log.warning("%s was not delivered: %s", event, error_name)
    if isinstance(done, datetime):
        OutgoingEvent.objects.filter(pk=event.pk).update(due_at=done, attempts=0, last_error="")
        return False
    if done:
        event.delete()
        return True
    if event.attempts >= MAX_ATTEMPTS:
        log.error("%s is given up after %s attempts", event, event.attempts)
    if error_name != event.last_error:
        OutgoingEvent.objects.filter(pk=event.pk).update(last_error=error_name)
    return False
