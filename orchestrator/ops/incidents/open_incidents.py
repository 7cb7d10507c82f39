"""What everybody may know of incidents, for the status page and others."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q

from orchestrator.ops.incidents.models import EntryKind, Incident, IncidentStatus


@dataclass(frozen=True, slots=True)
class PublicUpdate:
    """What was said to everybody, and when."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """An incident without names of people; ``resolved_at`` is None while it is not over."""

    number: int
    severity: str
    summary: str
    detected_at: datetime
    resolved_at: datetime | None
    updates: tuple[PublicUpdate, ...]


def list_open_incidents() -> list[PublicIncident]:
    """Those that are not resolved, the worst first, with their updates, the newest first."""
    rows = Incident.objects.exclude(status=IncidentStatus.RESOLVED).order_by("severity", "-id")
    return [_publish(row) for row in rows.prefetch_related("entries")]


def list_incidents_since(since: datetime) -> list[PublicIncident]:
    """Those that are not resolved, and those that were resolved since ``since``, the newest first."""
    was_open = Q(resolved_at=None) | Q(resolved_at__gte=since)
    rows = Incident.objects.filter(was_open).order_by("-detected_at", "-id")
    return [_publish(row) for row in rows.prefetch_related("entries")]


def count_detected(severity: str, first: date, last: date) -> int:
    """How many incidents of ``severity`` were detected from the day ``first`` to the day ``last``, in UTC."""
    return Incident.objects.filter(severity=severity, detected_at__date__range=(first, last)).count()


def _publish(incident: Incident) -> PublicIncident:
    # Only what was written for everybody: notes may hold names, addresses and guesses.
    updates = [
        PublicUpdate(entry.at, entry.text)
        for entry in incident.entries.all()
        if entry.kind == EntryKind.UPDATE
    ]
    return PublicIncident(
        incident.pk,
        incident.severity,
        incident.title,
        incident.detected_at,
        incident.resolved_at,
        tuple(reversed(updates)),
    )
