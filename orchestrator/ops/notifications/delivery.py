"""Messages to people: written in the transaction that causes them, sent by a worker, never lost or doubled.

1. ``notify`` writes the row and an event of the outbox in the caller's transaction.
2. The outbox sends the task until the row is done with, because the broker may lose a message.
3. Two workers get the same task: a compare-and-set lets one of them send.
4. A worker dies while it sends: it is unknown whether the far side has accepted the message. After
   ``NOTIFICATION_LOST_SECONDS`` another worker takes the row and first asks the far side for the key of the
   message.
5. The lost worker comes back: the row has another ``sending_since``, so its result does not count.
6. The far side asks to wait or is away: the row waits again, and the outbox's pauses double. After
   ``MAX_ATTEMPTS`` it is given up; the admin lists it, and can make it wait again.
7. Somebody sleeps, or a channel has its fill: the row says not before when, and the outbox waits until then.
   What is P1 is never held up. While planned maintenance runs, P2 and P3 wait for its end.
8. Webhooks take turns, see ``webhook_turns``: one worker sends what waits for a receiver, in order.

Each time that a message is sent, or is tried to be, leaves a row: the log of deliveries.
"""

import time
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from orchestrator.celery import app
from orchestrator.core import database
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.models import OutgoingEvent
from orchestrator.core.outbox import publish_event
from orchestrator.core.redaction import redact_text
from orchestrator.ops.notifications import webhook_turns
from orchestrator.ops.notifications.models import (
    DeliveryAttempt,
    Notification,
    NotificationStatus,
    Severity,
)
from orchestrator.ops.notifications.notifier_protocol import NOTIFIERS
from orchestrator.ops.status.maintenance import find_end_of_mute
from orchestrator.queues import Queue

EVENT: Final = "notification.created"
TASK: Final = "notifications.deliver"
MAX_ATTEMPTS: Final = 12


def notify(
    notifier: str, target: str, body: str, *, subject: str = "", actor: str = "", **more: Any
) -> Notification:
    """Write a message in the caller's transaction; a worker sends it. ``more`` are fields of the row.

    Raises ``NotifierNotConfigured`` where this deployment cannot send it, before anything is written.
    """
    NOTIFIERS.get(notifier).check_settings()
    notification = notify_once(
        uuid.uuid4(), notifier, target, body, subject=subject, created_by=actor, **more
    )
    if notification is None:
        raise RuntimeError("A random key has come twice.")
    return notification


def notify_once(
    key: uuid.UUID, notifier: str, target: str, body: str, *, subject: str = "", **more: Any
) -> Notification | None:
    """Write a message whose ``key`` says what it is about; None where there is a message with that key.

    For a caller that may run twice for one event.
    """
    fields = {
        "notifier": notifier,
        "target": target,
        "subject": redact_text(subject)[0][:200],
        # Nothing leaves before redaction.
        "body": redact_text(body)[0],
        **more,
    }
    with transaction.atomic():
        notification, is_new = Notification.objects.get_or_create(key=key, defaults=fields)
        if not is_new:
            return None
        _publish(notification)
    return notification


def send_again(notification: Notification) -> bool:
    """Let a message that was given up be sent again; whether it was given up."""
    return _start_again(notification, [NotificationStatus.GIVEN_UP])


def replay(notification: Notification) -> bool:
    """Let a message that is done with be sent once more, with the same key; whether it was done with.

    For a receiver that has lost it. One that has not drops it, because it knows the key.
    """
    return _start_again(notification, [NotificationStatus.GIVEN_UP, NotificationStatus.SENT])


def _start_again(notification: Notification, ended: list[NotificationStatus]) -> bool:
    with transaction.atomic():
        rows = Notification.objects.filter(pk=notification.pk, status__in=ended)
        changed = rows.update(
            status=NotificationStatus.WAITING, attempts=0, not_before=None, sent_at=None, receipt=""
        )
        if changed:
            # Somebody wants it now, so a receiver that failed before is not left alone any longer.
            webhook_turns.end_rest(notification.subscription_id)
            _publish(notification)
    return bool(changed)


def _publish(notification: Notification) -> None:
    publish_event(EVENT, {"notification": notification.pk})


def send_to_worker(event: OutgoingEvent) -> bool | datetime:
    """The outbox's subscriber: send the task until the message is sent or given up."""
    unfinished = Notification.objects.filter(
        pk=event.payload["notification"],
        status__in=[NotificationStatus.WAITING, NotificationStatus.SENDING],
    )
    notification = unfinished.first()
    if notification is None:
        return True
    if notification.not_before is not None and notification.not_before > timezone.now():
        return notification.not_before
    turn = webhook_turns.find_turn(notification)
    if turn is not None:
        return turn
    _send_task(notification.pk)
    return False


def _send_task(notification_id: int) -> None:
    # retry=False: the outbox repeats the delivery itself, with longer and longer pauses.
    app.send_task(TASK, args=(notification_id,), queue=Queue.CONTROL.value, retry=False)


def deliver(notification_id: int) -> None:
    """Send one message, if no other worker does; of a webhook also those that wait behind it."""
    turn_ends = time.monotonic() + webhook_turns.TURN_SECONDS
    next_id: int | None = notification_id
    while next_id is not None:
        notification = _take(next_id)
        if notification is None:
            return
        is_sent = _send(notification)
        next_id = webhook_turns.find_next(notification) if is_sent else None
        if next_id is not None and time.monotonic() > turn_ends:
            # To the end of the queue: other receivers, and other work, come first.
            _send_task(next_id)
            return


def _send(notification: Notification) -> bool:
    """Send a message that this worker has claimed; whether it was accepted."""
    notifier = NOTIFIERS.get(notification.notifier)
    begin = time.monotonic()
    try:
        # Only a message that was begun before can be on the other side already.
        receipt = notifier.find_receipt(notification) if notification.attempts > 1 else ""
        receipt = receipt or notifier.send(notification)
    except OrchestratorError as error:
        _record_failure(notification, error)
        result, is_sent = redact_text(error.message)[0], False
    else:
        _mine(notification).update(
            status=NotificationStatus.SENT,
            sent_at=timezone.now(),
            sending_since=None,
            receipt=receipt[:200],
            error_code="",
            error_message="",
            error_cure="",
        )
        result, is_sent = receipt, True
    seconds = time.monotonic() - begin
    webhook_turns.note_result(notification, seconds, accepted=is_sent)
    DeliveryAttempt.objects.create(
        notification=notification,
        duration_ms=round(1000 * seconds),
        accepted=is_sent,
        result=result[:300] or "accepted",
    )
    return is_sent


def _take(notification_id: int) -> Notification | None:
    """The message, claimed by this worker; None where it is done with, has to wait, or another one has it."""
    now = timezone.now()
    due = Q(not_before=None) | Q(not_before__lte=now)
    lost = Q(status=NotificationStatus.SENDING, sending_since__lt=now - webhook_turns.find_lost_after())
    free = (Q(status=NotificationStatus.WAITING) | lost) & due
    with transaction.atomic():
        wanted = Notification.objects.filter(free, pk=notification_id).first()
        if wanted is None or _hold_up_in_maintenance(wanted, now):
            return None
        if not webhook_turns.take_turn(wanted) or _hold_up_full_channel(wanted, now):
            return None
        taken = Notification.objects.filter(free, pk=notification_id).update(
            status=NotificationStatus.SENDING, sending_since=now, attempts=F("attempts") + 1
        )
    return Notification.objects.get(pk=notification_id) if taken else None


def _hold_up_in_maintenance(notification: Notification, now: datetime) -> bool:
    """Let the message wait while planned maintenance mutes its severity; whether it waits now."""
    until = find_end_of_mute(notification.severity, now)
    if until is None:
        return False
    Notification.objects.filter(pk=notification.pk, status=NotificationStatus.WAITING).update(
        not_before=until
    )
    return True


def _hold_up_full_channel(notification: Notification, now: datetime) -> bool:
    """Let the message wait where its channel has had its fill in the last minute; whether it waits now."""
    # Webhooks are for machines; their receivers are held back by turns.
    if notification.severity == Severity.P1 or notification.notifier == webhook_turns.NOTIFIER:
        return False
    # One worker after another, else all of them would see the last free place.
    channel = f"notify {notification.notifier} {notification.target}"
    database.fetch_rows(
        "SELECT pg_advisory_xact_lock(hashtextextended(%(channel)s, 0))", {"channel": channel}
    )
    same = Notification.objects.filter(notifier=notification.notifier, target=notification.target)
    since = now - timedelta(minutes=1)
    lately = same.filter(Q(sent_at__gt=since) | Q(sending_since__gt=since)).exclude(pk=notification.pk)
    times = sorted(row.sent_at or row.sending_since or now for row in lately.only("sent_at", "sending_since"))
    most = settings.NOTIFICATIONS_PER_MINUTE
    if len(times) < most:
        return False
    # Those before it in the queue take the places that become free first, so nobody waits for long twice.
    free_at = times[len(times) - most] + timedelta(minutes=1, milliseconds=1)
    Notification.objects.filter(pk=notification.pk, status=NotificationStatus.WAITING).update(
        not_before=free_at
    )
    return True


def _mine(notification: Notification) -> QuerySet[Notification]:
    """The row, while the claim of this worker holds."""
    return Notification.objects.filter(
        pk=notification.pk,
        status=NotificationStatus.SENDING,
        sending_since=notification.sending_since,
    )


def _record_failure(notification: Notification, error: OrchestratorError) -> None:
    is_over = not error.retryable or notification.attempts >= MAX_ATTEMPTS
    _mine(notification).update(
        status=NotificationStatus.GIVEN_UP if is_over else NotificationStatus.WAITING,
        sending_since=None,
        error_code=error.code,
        error_message=redact_text(error.message)[0],
        error_cure=error.cure or "",
    )
