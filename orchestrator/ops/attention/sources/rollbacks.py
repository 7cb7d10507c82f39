"""Rollbacks that ask or stand, and what waits to be said of them."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from orchestrator.ops.attention.need import MOST, Need, NeedSource, Urgency
from orchestrator.ops.dashboards.numbers import format_duration
from orchestrator.ops.rollback.models import (
    NOT_OVER,
    Announcement,
    AnnouncementStatus,
    Rollback,
    RollbackStatus,
)


def _list_rollbacks(now: datetime) -> Iterator[Need]:
    for one in Rollback.objects.filter(status__in=NOT_OVER).order_by("id")[:MOST]:
        href = reverse("admin:rollback_rollback_change", args=[one.pk])
        age = format_duration((now - one.created_at).total_seconds())
        if one.status == RollbackStatus.ASKED:
            words = f"{one.trigger} asks whether to roll back to {one.get_kind_display()}"
            yield Need(Urgency.NOW, words, f"{one.reason}; for {age}", href)
        else:
            words = f"Rolled back to {one.get_kind_display()}"
            detail = f"{one.reason}; for {age}, until PM, TL and SRE say GO"
            yield Need(Urgency.TODAY, words, detail, href)


def _list_announcements(now: datetime) -> Iterator[Need]:
    drafts = Announcement.objects.filter(status=AnnouncementStatus.DRAFT).order_by("id")
    for draft in drafts[:MOST]:
        age = format_duration((now - draft.created_at).total_seconds())
        words = f"An announcement to {draft.target} waits for a look"
        href = f"{reverse('admin:rollback_announcement_changelist')}?status__exact=draft"
        yield Need(Urgency.NOW, words, f"drafted {age} ago, and not sent", href)


ROLLBACKS = NeedSource("rollback.view_rollback", _list_rollbacks)
ANNOUNCEMENTS = NeedSource("rollback.view_announcement", _list_announcements)
