"""The period that a request asks a report for. Days are UTC."""

import re
from datetime import date, datetime, timedelta
from typing import Final

from orchestrator.ops.dashboards.period import Period, choose_last_hours
from orchestrator.ops.reports.errors import ReportPeriodRefused
from orchestrator.ops.reports.report_kind import ReportKind

LAST: Final = {"24h": 1, "7d": 7, "14d": 14, "30d": 30, "90d": 90}
"""How far back a report may begin, counted from now, in days of 24 hours."""
LONGEST_DAYS: Final = 366
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def choose_last(now: datetime, last: str) -> Period:
    """The last ``24h``, ``7d`` and so on. Raises ``ReportPeriodRefused`` for any other word."""
    if last not in LAST:
        raise ReportPeriodRefused(f"last={last[:20]!r} is not one of {', '.join(LAST)}.")
    return choose_last_hours(now.replace(microsecond=0), LAST[last])


def choose_ended(kind: ReportKind, today: date, day: str) -> Period:
    """The newest period of ``kind`` that ended on ``day`` or before; on any day that is over without one."""
    wanted = today - timedelta(days=1) if not day else read_past_day(today, day)
    for back in range(LONGEST_DAYS):
        period = kind.find_period(wanted - timedelta(days=back))
        if period is not None:
            return period
    raise ReportPeriodRefused(f"No {kind.title.lower()} ended on {wanted} or in the year before.")


def choose_days(today: date, first: str, last: str) -> Period:
    """The days from ``first`` to ``last``, which is over; at most a year."""
    begin, end = read_past_day(today, first), read_past_day(today, last)
    if begin > end:
        raise ReportPeriodRefused(f"first={begin} is after last={end}.")
    if (end - begin).days >= LONGEST_DAYS:
        raise ReportPeriodRefused(f"From {begin} to {end} are more than {LONGEST_DAYS} days.")
    return Period(begin, end)


def choose_phase(today: date, setting: str, days: tuple[date, date] | None) -> Period:
    """The days of a phase that are over. Raises ``ReportPeriodRefused`` where ``setting`` names none."""
    if days is None:
        raise ReportPeriodRefused(
            f"{setting} is not set, so it is not clear which days are meant.",
            cure=f"Name first and last, or set {setting} to 2026-11-16/2026-11-30.",
        )
    first, last = days
    if first >= today:
        raise ReportPeriodRefused(f"{setting} begins on {first}: no day of it is over.")
    return Period(first, min(last, today - timedelta(days=1)))


def read_past_day(today: date, text: str) -> date:
    """A day that is over. Raises ``ReportPeriodRefused`` for anything else."""
    try:
        # Python also reads other forms of ISO 8601, which no other client would write in the same way.
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ReportPeriodRefused(f"{text[:20]!r} is not a day.")
    if day >= today:
        raise ReportPeriodRefused(f"{day} is not over yet: today is {today} in UTC.")
    # Before it there is nothing, and a year before must still be a day.
    if day.year < 2000:
        raise ReportPeriodRefused(f"{day} is before the first flow.")
    return day
