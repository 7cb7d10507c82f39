"""Messages to people that were given up."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse

from orchestrator.ops.attention.need import Need, NeedSource, Urgency, word_number
from orchestrator.ops.notifications.models import DeadLetter, NotificationStatus


def _list_dead_letters(now: datetime) -> Iterator[Need]:
    # A day is enough: what nobody has sent again by then nobody waits for.
    rows = DeadLetter.objects.filter(
        status=NotificationStatus.GIVEN_UP, created_at__gt=now - timedelta(hours=24)
    )
    words = word_number(rows, "message")
    if words:
        words += " could not be sent"
        href = reverse("admin:notifications_deadletter_changelist")
        yield Need(Urgency.TODAY, words, "in 24 hours", href)


DEAD_LETTERS = NeedSource("notifications.view_deadletter", _list_dead_letters)
