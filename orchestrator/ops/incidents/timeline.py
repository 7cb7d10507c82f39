"""The timeline of an incident: entries that are added and never changed, in the order of what happened."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from orchestrator.core.redaction import redact_text
from orchestrator.ops.incidents.errors import TimeRefused
from orchestrator.ops.incidents.models import EntryKind, Incident, IncidentEntry

MOST_BACK: Final = timedelta(days=30)
MOST_OF_ALERTS: Final = 500
"""A flapping alert writes two entries a minute for as long as nobody looks; more are left out."""


def add_entry(
    incident: Incident, kind: EntryKind, text: str, *, actor: str, at: datetime | None = None
) -> IncidentEntry:
    """Write an entry, in the caller's transaction. ``at`` is now where nothing is said."""
    # People paste logs, and alerts carry labels: nothing is kept before redaction.
    clean = redact_text(text)[0]
    return IncidentEntry.objects.create(
        incident=incident, kind=kind, text=clean, actor=actor[:150], at=at or timezone.now()
    )


def add_alert_entry(incident: Incident, text: str, *, at: datetime) -> None:
    """Write what an alert did, unless alerts have written very much already."""
    if incident.entries.filter(kind=EntryKind.ALERT).count() < MOST_OF_ALERTS:
        add_entry(incident, EntryKind.ALERT, text, actor="alertmanager", at=at)


def check_time(at: datetime | None) -> datetime:
    """When something happened, now where nothing is said; raises ``TimeRefused``."""
    now = timezone.now()
    if at is None:
        return now
    if not now - MOST_BACK <= at <= now:
        raise TimeRefused(f"{at:%Y-%m-%d %H:%M} UTC is in the future, or more than 30 days back.")
    return at


def list_entries(incident: Incident) -> QuerySet[IncidentEntry]:
    """What happened, the oldest first."""
    return incident.entries.order_by("at", "id")
