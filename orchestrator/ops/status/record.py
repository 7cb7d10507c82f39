"""What the page tells beside the parts: maintenance, incidents, 90 days. Plain values, which can be kept."""

from datetime import datetime, timedelta
from typing import Any, Final

from orchestrator.ops.incidents.open_incidents import (
    PublicIncident,
    list_incidents_since,
    list_open_incidents,
)
from orchestrator.ops.status import maintenance
from orchestrator.ops.status.history import DAYS, SectionHistory, read_history
from orchestrator.ops.status.models import Maintenance
from orchestrator.ops.status.parts import Level

StatusRecord = dict[str, Any]
"""Values are texts, numbers, lists and dictionaries: what JSON gives back as it was."""
_MOST_NAMED: Final = 20
_SHOWN_AFTER: Final = timedelta(days=14)


def read_record(now: datetime) -> StatusRecord:
    """Everything that is read from the database for everybody."""
    since = now - _SHOWN_AFTER
    return {
        "at": _write_moment(now),
        "current": [_describe_maintenance(one) for one in maintenance.list_current(now)],
        "planned": [_describe_maintenance(one) for one in maintenance.list_planned(now)],
        "incidents": [_describe_incident(one) for one in list_open_incidents()],
        "resolved": [_describe_incident(one) for one in list_incidents_since(since) if one.resolved_at],
        "history": [_describe_section(one) for one in read_history(now.date())],
    }


def _write_moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _describe_maintenance(one: Maintenance) -> dict[str, str]:
    return {
        "title": one.title,
        "text": one.text,
        "from": _write_moment(one.starts_at),
        "until": _write_moment(one.ends_at),
    }


def _describe_incident(one: PublicIncident) -> dict[str, Any]:
    return {
        "number": one.number,
        "severity": one.severity,
        "summary": one.summary,
        "since": _write_moment(one.detected_at),
        "resolved": "" if one.resolved_at is None else _write_moment(one.resolved_at),
        "updates": [{"at": _write_moment(update.at), "text": update.text} for update in one.updates],
    }


def _describe_section(history: SectionHistory) -> dict[str, Any]:
    """The bars of a section, and in words the days that were not good, the newest first."""
    bars = [
        {"x": place, "level": day.level or "unseen", "words": f"{day.day}: {day.words}"}
        for place, day in enumerate(history.days)
    ]
    # For those who cannot see colours, or point at a bar of three pixels.
    bad = [f"{day.day}: {day.words}" for day in reversed(history.days) if day.level not in (Level.OK, None)]
    counts = {
        "down": history.count(Level.DOWN),
        "degraded": history.count(Level.DEGRADED),
        "without data": history.count(None),
    }
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return {
        "section": history.section,
        "words": f"{DAYS} days: {words or 'all of them ok'}",
        "bars": bars,
        "bad": bad[:_MOST_NAMED],
        "more": max(0, len(bad) - _MOST_NAMED),
    }
