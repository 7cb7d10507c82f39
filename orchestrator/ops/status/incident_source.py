"""The one place from which the status page learns of incidents."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ShownUpdate:
    """What was said to everybody, and when."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """An incident as everybody may see it; ``updates`` the newest first."""

    number: int
    severity: str
    summary: str
    detected_at: datetime
    resolved_at: datetime | None = None
    updates: tuple[ShownUpdate, ...] = ()


def list_incidents(since: datetime) -> list[ShownIncident]:  # noqa: ARG001 - see below
    """Those that are not over, and those detected since ``since``; the newest first."""
    # There are no records of incidents yet.
    return []
