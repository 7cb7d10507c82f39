"""What everybody may know of the incidents that are not over, for the status page and others."""

from dataclasses import dataclass
from datetime import datetime

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
    """Those detected since ``since``, resolved or not, the newest first."""
    rows = Incident.objects.filter(detected_at__gte=since).order_by("-detected_at")
    return [_publish(row) for row in rows.prefetch_related("entries")]


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
