"""Fill the tables of days: one after the other, from the first flow to a quarter of an hour ago.

The order matters. The newest ``RollupDay`` says from when on readers count by themselves, so no day before
it may be missing:

1. A whole day that follows the newest one is counted to its end.
2. The present day is counted again and again, each time up to ``LAG`` ago. What is written now but began
   earlier (a call that is settled, a transaction that commits late) is in the next count.
3. A whole day is counted again two hours and a day after it ended.

Counting replaces the rows of a day in one transaction, so a reader sees the day before or after it, and two
counts at once, or a message that comes twice, change nothing.
"""

import logging
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db import transaction

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.ops.rollups import facts
from orchestrator.ops.rollups.models import RollupDay

LAG: Final = timedelta(minutes=15)
"""How far the count of the present day stays behind: longer than nearly every call takes."""
EVERY: Final = timedelta(minutes=5)
"""How often the present day is counted again."""
LOCK: Final = 0x726F6C6C
_RUN_SECONDS: Final = 60.0
_SQL = load_statements(__file__)
log = logging.getLogger(__name__)


def count_day(day: date, *, until: datetime | None = None) -> bool:
    """Count ``day`` from the rows themselves, up to ``until`` or to its end; false while another process
    counts.

    Counting a past day again gives the same rows.
    """
    start = datetime.combine(day, datetime.min.time(), UTC)
    through = until or start + timedelta(days=1)
    parameters = facts.build_parameters(since=start, until=through)
    with transaction.atomic():
        if not database.fetch_row(_SQL["lock_counting"], {"lock": LOCK}).yes:
            return False
        for fact in facts.FACTS:
            fact.model._base_manager.filter(day=day).delete()
            database.fetch_rows(
                f"INSERT INTO {fact.table} ({fact.columns}) "  # noqa: S608 - names of our own models
                f"SELECT {fact.columns} FROM ({fact.statement.sql}) AS counted",
                parameters,
            )
        database.fetch_rows(_SQL["mark_day"], {"day": day, "through": through})
    return True


def find_next_count() -> tuple[date, datetime | None] | None:
    """The next day to count, and up to when where it is not over; None when nothing is due."""
    bounds = database.fetch_row(_SQL["find_bounds"])
    until: datetime = bounds.now - LAG
    if bounds.first_flow is None or bounds.first_flow >= until:
        return None
    today = until.astimezone(UTC).date()
    day = _follow(bounds.newest_day, bounds.newest_through) or bounds.first_flow.astimezone(UTC).date()
    if day < today:
        return day, None
    again = database.find_row(_SQL["find_day_to_count_again"])
    if again is not None:
        return again.day, None
    is_stale = bounds.newest_day != today or until - bounds.newest_through >= EVERY
    return (today, until) if day == today and is_stale else None


def _follow(day: date | None, through: datetime | None) -> date | None:
    """The day to continue with: the newest one, or the next where that one is counted to its end."""
    if day is None or through is None:
        return None
    return through.astimezone(UTC).date()


def count_due_days(*, seconds: float = _RUN_SECONDS) -> int:
    """Count what is due, for up to ``seconds``; return how many days were counted."""
    deadline, counted = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        due = find_next_count()
        if due is None or not count_day(due[0], until=due[1]):
            break
        counted += 1
    return counted


def count_days_again(first: date, last: date) -> int:
    """Count the whole days from ``first`` to ``last`` again, where they were counted; return how many."""
    # A day that was never counted would leave a gap before it, and one that is not over is counted anyway.
    known = RollupDay.objects.filter(day__range=(first, last)).order_by("day").values_list("day", "through")
    whole = [day for day, through in known if through.astimezone(UTC).date() > day]
    return sum(count_day(day) for day in whole)
