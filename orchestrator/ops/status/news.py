"""The news: incidents and maintenance as entries of the feed, each written once and mailed once.

Entry and mails are one transaction. A worker that dies in between leaves neither, and the next look writes
both; two workers at once meet at the key of the entry, and one of them writes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from django.db import IntegrityError, transaction

from orchestrator.ops.incidents.open_incidents import PublicIncident, list_incidents_since
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.message_templates import render_template
from orchestrator.ops.status.links import link_status, link_unsubscribe
from orchestrator.ops.status.models import Maintenance, StatusNews, StatusReader

LOOKS_BACK: Final = timedelta(days=7)
MAILED_WITHIN: Final = timedelta(hours=6)
"""What is older is shown and not mailed: a system that was away for a day tells nobody of yesterday."""
KEPT: Final = timedelta(days=400)
NOTIFIER: Final = "status-mail"


@dataclass(frozen=True, slots=True)
class NewsItem:
    """Something to tell."""

    key: str
    title: str
    body: str
    at: datetime


def write_news(now: datetime) -> int:
    """Write what is not written yet, with its mails; how many entries that were."""
    items = [
        item
        for item in (*_list_of_incidents(now - LOOKS_BACK), *_list_of_maintenance(now))
        # What is ahead, such as the end of maintenance, becomes news at its time.
        if now - LOOKS_BACK <= item.at <= now
    ]
    known = set(StatusNews.objects.filter(key__in=[item.key for item in items]).values_list("key", flat=True))
    written = 0
    # The oldest first, so that mails arrive in the order of what happened.
    for item in sorted(items, key=lambda one: one.at):
        if item.key not in known:
            written += _write_item(item, mail=now - item.at <= MAILED_WITHIN)
    return written


def remove_old_news(now: datetime) -> None:
    """Forget entries that no feed has any longer."""
    StatusNews.objects.filter(at__lt=now - KEPT).delete()


def _write_item(item: NewsItem, *, mail: bool) -> bool:
    with transaction.atomic():
        try:
            with transaction.atomic():
                StatusNews.objects.create(key=item.key, title=item.title[:250], body=item.body, at=item.at)
        except IntegrityError:
            return False
        if mail:
            _write_mails(item)
    return True


def _write_mails(item: NewsItem) -> None:
    """One mail to each reader: addresses never meet in one."""
    for reader in StatusReader.objects.filter(confirmed_at__isnull=False).order_by("id").iterator():
        message = render_template(
            "status_news",
            {
                "title": item.title,
                "text": item.body,
                "page": link_status(),
                "unsubscribe": link_unsubscribe(reader),
            },
        )
        delivery.notify_once(
            # The key follows from both, so a mail that is written again is not sent again.
            uuid5(NAMESPACE_URL, f"status:{item.key}:{reader.key}"),
            NOTIFIER,
            reader.email,
            message.body,
            subject=message.subject,
        )


def _list_of_incidents(since: datetime) -> Iterator[NewsItem]:
    for incident in list_incidents_since(since):
        yield from _list_of_incident(incident)


def _list_of_incident(incident: PublicIncident) -> Iterator[NewsItem]:
    name, key = f"Incident {incident.number}", f"incident-{incident.number}"
    title = f"{name}, {incident.severity}: {incident.summary}"
    yield NewsItem(f"{key}-opened", title, "It is being worked on.", incident.detected_at)
    for update in incident.updates:
        yield NewsItem(f"{key}-{update.at.isoformat()}", f"{name}, update", update.text, update.at)
    if incident.resolved_at is not None:
        words = f"{incident.summary}: resolved."
        yield NewsItem(f"{key}-resolved", f"{name} is resolved", words, incident.resolved_at)


def _list_of_maintenance(now: datetime) -> Iterator[NewsItem]:
    for one in Maintenance.objects.filter(ends_at__gte=now - LOOKS_BACK):
        key = f"maintenance-{one.pk}"
        hours = f"{one.starts_at:%Y-%m-%d %H:%M} to {one.ends_at:%Y-%m-%d %H:%M} UTC"
        text = f"{hours}. {one.text}".strip()
        yield NewsItem(f"{key}-planned", f"Planned maintenance: {one.title}", text, one.created_at)
        if one.cancelled_at is not None:
            yield NewsItem(f"{key}-cancelled", f"Called off: {one.title}", hours, one.cancelled_at)
            continue
        yield NewsItem(f"{key}-begun", f"Maintenance has begun: {one.title}", text, one.starts_at)
        yield NewsItem(f"{key}-ended", f"Maintenance is over: {one.title}", hours, one.ends_at)
