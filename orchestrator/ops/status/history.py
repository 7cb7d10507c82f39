"""How each part was, minute by minute, added up by day: the page's history of 90 days.

A day on which nobody looked (the database was away, or the system was not there) has minutes missing, and the
page says so: what was not seen was not good.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from orchestrator.core.database import fetch_rows
from orchestrator.core.sql import load_statements
from orchestrator.ops.status.models import PartDay
from orchestrator.ops.status.parts import Level, check_parts, find_worst

DAYS: Final = 90
KEPT: Final = timedelta(days=DAYS + 7)
SECTIONS: Final = ("Core", "Flows", "Queues", "Messages and stores", "Providers")
_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class DayLevel:
    """One day of one section. ``level`` is None for a day that nobody looked at."""

    day: date
    level: Level | None
    words: str


@dataclass(frozen=True, slots=True)
class SectionHistory:
    """The days of one section, the oldest first."""

    section: str
    days: tuple[DayLevel, ...]

    def count(self, level: Level | None) -> int:
        """How many days were like that."""
        return sum(day.level is level for day in self.days)


def take_sample(now: datetime) -> None:
    """Look at every section once and add the minute to its day; a second look in a minute adds nothing."""
    # With the core down only the core is known, and the other sections lack the minute.
    for section, parts in check_parts(now):
        level = find_worst(parts)
        fetch_rows(
            _SQL["add_minute"],
            {
                "day": now.date(),
                "part": section,
                "degraded": int(level is Level.DEGRADED),
                "down": int(level is Level.DOWN),
                "now": now,
            },
        )


def remove_old_days(now: datetime) -> None:
    """Forget what the page does not show any longer."""
    PartDay.objects.filter(day__lt=(now - KEPT).date()).delete()


def read_history(today: date) -> list[SectionHistory]:
    """Every section over the last 90 days."""
    first = today - timedelta(days=DAYS - 1)
    # One query for five sections of 90 days.
    rows = {(row.part, row.day): row for row in PartDay.objects.filter(day__range=(first, today))}
    days = [first + timedelta(days=number) for number in range(DAYS)]
    return [
        SectionHistory(section, tuple(_describe_day(day, rows.get((section, day))) for day in days))
        for section in SECTIONS
    ]


def _describe_day(day: date, row: PartDay | None) -> DayLevel:
    if row is None:
        return DayLevel(day, None, "nobody looked")
    if row.down:
        level = Level.DOWN
    elif row.degraded:
        level = Level.DEGRADED
    else:
        level = Level.OK
    found = [
        f"{row.down} min down" if row.down else "",
        f"{row.degraded} min degraded" if row.degraded else "",
    ]
    words = ", ".join(filter(None, found)) or "ok"
    return DayLevel(day, level, f"{words}; {row.minutes:,} min looked at")
