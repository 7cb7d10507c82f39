"""Whose turn it is among webhooks, so that a receiver that is slow or away holds up nobody else.

1. One worker at a time sends to a receiver. It sends what waits there, oldest first, until its turn is over:
   so messages come in order, and a burst costs one message of the broker each, not one wait each.
2. All receivers together occupy ``WEBHOOKS_AT_ONCE`` workers at most, those of one repo half of them: the
   same workers seal the blocks of everybody.
3. A receiver that fails rests, and the rest doubles with each failure in a row. One that answers slowly rests
   three times as long as it took. Meanwhile its messages wait and nothing is sent: a hundred dead receivers
   cost a call each in half an hour.
4. What waits for a turn is looked at again later and later, and is given up after three days.
"""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from orchestrator.core import database
from orchestrator.ops.notifications.errors import ReceiverAway
from orchestrator.ops.notifications.models import Notification, NotificationStatus, Subscription

NOTIFIER: Final = "webhook"
TURN_SECONDS: Final = 20.0
SLOW_SECONDS: Final = 1.0
FIRST_REST: Final = timedelta(seconds=10)
LONGEST_REST: Final = timedelta(minutes=30)
FIRST_LOOK: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(days=3)


def find_turn(notification: Notification) -> datetime | None:
    """When to look at the message again; None: it may be sent now."""
    receiver = _find_receiver(notification)
    if receiver is None:
        return None
    now = timezone.now()
    if now - notification.created_at > LONGEST_WAIT and notification.status == NotificationStatus.WAITING:
        _give_up(notification)
        return None
    rest = _find_rest(receiver, now)
    if rest is not None:
        return rest
    if not _is_occupied(notification, now):
        return None
    # The worker whose turn it is takes the message; this is for the case that it dies. The older the message,
    # the longer, or many that wait would keep the outbox busy.
    return now + max(FIRST_LOOK, min(now - notification.created_at, LONGEST_REST))


def take_turn(notification: Notification) -> bool:
    """Whether this worker may send the message now; asked in the transaction that claims it."""
    receiver = _find_receiver(notification)
    if receiver is None:
        return True
    # One worker after another, else two of them would see the last free place.
    database.fetch_rows("SELECT pg_advisory_xact_lock(hashtextextended('webhook turns', 0))", {})
    now = timezone.now()
    return _find_rest(receiver, now) is None and not _is_occupied(notification, now)


def find_next(notification: Notification) -> int | None:
    """The oldest message that waits behind ``notification`` for the same receiver."""
    receiver = _find_receiver(notification)
    if receiver is None:
        return None
    now = timezone.now()
    due = Q(not_before=None) | Q(not_before__lte=now)
    waiting = Notification.objects.filter(due, subscription_id=receiver, status=NotificationStatus.WAITING)
    found: int | None = waiting.order_by("id").values_list("pk", flat=True).first()
    return found


def note_result(notification: Notification, seconds: float, *, accepted: bool) -> None:
    """Let a receiver that failed or was slow rest."""
    receiver = _find_receiver(notification)
    if receiver is None:
        return
    now = timezone.now()
    rows = Subscription.objects.filter(pk=receiver)
    if accepted:
        rests_until = now + timedelta(seconds=3 * seconds) if seconds > SLOW_SECONDS else None
        rows.update(failures=0, rests_until=rests_until)
        return
    failures = rows.values_list("failures", flat=True).first() or 0
    # Bounded before it is a power: nobody waits longer than the longest rest.
    rest = min(FIRST_REST * 2 ** min(failures, 10), LONGEST_REST)
    rows.update(failures=F("failures") + 1 if failures < 1000 else failures, rests_until=now + rest)


def end_rest(subscription_id: int | None) -> None:
    """Let the receiver of a subscription be called at once."""
    Subscription.objects.filter(pk__in=[subscription_id]).update(failures=0, rests_until=None)


def find_lost_after() -> timedelta:
    """After how long the worker that sends a message counts as lost."""
    return timedelta(seconds=settings.NOTIFICATION_LOST_SECONDS)


def _find_receiver(notification: Notification) -> int | None:
    """The number of the subscription that a message is for, where it is a webhook that is still there."""
    return notification.subscription_id if notification.notifier == NOTIFIER else None


def _find_rest(receiver: int, now: datetime) -> datetime | None:
    resting = Subscription.objects.filter(pk=receiver, rests_until__gt=now)
    found: datetime | None = resting.values_list("rests_until", flat=True).first()
    return found


def _is_occupied(notification: Notification, now: datetime) -> bool:
    """Whether another worker sends to this receiver, or as many as may send webhooks."""
    under_way = _list_under_way(now).exclude(pk=notification.pk)
    called = list(under_way.values_list("subscription_id", "subscription__repo"))
    repos: list[int | None] = [repo for _, repo in called]
    at_once: int = settings.WEBHOOKS_AT_ONCE
    if len(called) >= at_once or notification.subscription_id in dict(called):
        return True
    receiver = notification.subscription
    own_repo = None if receiver is None else receiver.repo_id
    return repos.count(own_repo) >= max(1, at_once // 2)


def _list_under_way(now: datetime) -> QuerySet[Notification]:
    return Notification.objects.filter(
        notifier=NOTIFIER, status=NotificationStatus.SENDING, sending_since__gte=now - find_lost_after()
    )


def _give_up(notification: Notification) -> None:
    error = ReceiverAway()
    Notification.objects.filter(pk=notification.pk, status=NotificationStatus.WAITING).update(
        status=NotificationStatus.GIVEN_UP,
        error_code=error.code,
        error_message=error.message,
        error_cure=error.cure,
    )
