"""Messages to people: written in the transaction that causes them, sent by a worker, never lost or doubled.

1. ``notify`` writes the row and an event of the outbox in the caller's transaction.
2. The outbox sends the task until the row is done with, because the broker may lose a message.
3. Two workers get the same task: a compare-and-set lets one of them send.
4. A worker dies while it sends: it is unknown whether the far side has accepted the message. After
   ``LOST_AFTER`` another worker takes the row and first asks the far side for the key of the message.
5. The lost worker comes back: the row has another ``sending_since``, so its result does not count.
6. The far side asks to wait or is away: the row waits again, and the outbox's pauses double. After
   ``MAX_ATTEMPTS`` it is given up; the admin lists it, and can make it wait again.
"""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from orchestrator.celery import app
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.models import OutgoingEvent
from orchestrator.core.outbox import publish_event
from orchestrator.core.redaction import redact_text
from orchestrator.ops.notifications.models import Notification, NotificationStatus
from orchestrator.ops.notifications.notifier_protocol import NOTIFIERS
from orchestrator.queues import Queue

EVENT: Final = "notification.created"
TASK: Final = "notifications.deliver"
# Longer than the longest call of a notifier, so that a worker which is only slow is not doubled.
LOST_AFTER: Final = timedelta(seconds=60)
MAX_ATTEMPTS: Final = 12


def notify(notifier: str, target: str, body: str, *, subject: str = "", actor: str = "") -> Notification:
    """Write a message in the caller's transaction; a worker sends it.

    Raises ``NotifierNotConfigured`` where this deployment cannot send it, before anything is written.
    """
    NOTIFIERS.get(notifier).check_settings()
    with transaction.atomic():
        notification = Notification.objects.create(
            notifier=notifier,
            target=target,
            subject=redact_text(subject)[0],
            # Nothing leaves before redaction.
            body=redact_text(body)[0],
            created_by=actor,
        )
        _publish(notification)
    return notification


def send_again(notification: Notification) -> bool:
    """Let a message that was given up be sent again; whether it was given up."""
    with transaction.atomic():
        changed = Notification.objects.filter(pk=notification.pk, status=NotificationStatus.GIVEN_UP).update(
            status=NotificationStatus.WAITING, attempts=0
        )
        if changed:
            _publish(notification)
    return bool(changed)


def _publish(notification: Notification) -> None:
    publish_event(EVENT, {"notification": notification.pk})


def send_to_worker(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: send the task until the message is sent or given up."""
    unfinished = Notification.objects.filter(
        pk=event.payload["notification"],
        status__in=[NotificationStatus.WAITING, NotificationStatus.SENDING],
    )
    if not unfinished.exists():
        return True
    # retry=False: the outbox repeats the delivery itself, with longer and longer pauses.
    app.send_task(TASK, args=(event.payload["notification"],), queue=Queue.CONTROL.value, retry=False)
    return False


def deliver(notification_id: int) -> None:
    """Send one message, if no other worker does."""
    notification = _take(notification_id)
    if notification is None:
        return
    notifier = NOTIFIERS.get(notification.notifier)
    try:
        # Only a message that was begun before can be on the other side already.
        receipt = notifier.find_receipt(notification) if notification.attempts > 1 else ""
        receipt = receipt or notifier.send(notification)
    except OrchestratorError as error:
        _record_failure(notification, error)
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


def _take(notification_id: int) -> Notification | None:
    """The message, claimed by this worker; None where it is done with or another worker has it."""
    now = timezone.now()
    free = Q(status=NotificationStatus.WAITING) | Q(
        status=NotificationStatus.SENDING, sending_since__lt=now - LOST_AFTER
    )
    taken = Notification.objects.filter(free, pk=notification_id).update(
        status=NotificationStatus.SENDING, sending_since=now, attempts=F("attempts") + 1
    )
    return Notification.objects.get(pk=notification_id) if taken else None


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
