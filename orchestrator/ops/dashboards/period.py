"""The days that a dashboard shows, and those before them that it compares with."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

RANGES: Final = (7, 30, 90, 365)
"""Days that a dashboard may show; today is the last of them."""
DEFAULT_RANGE: Final = 7
LONGEST_IN_DAYS: Final = 90
"""A longer period is shown by weeks: a phone has no room for more bars."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from ``first`` to ``last``, both within, in UTC.

    ``since`` cuts the first day: what happened before it does not count. Such a period is so many times 24
    hours, up to now.
    """

    first: date
    last: date
    since: datetime | None = None

    @property
    def length(self) -> int:
        """How many days, or how many times 24 hours."""
        return (self.last - self.first).days + (self.since is None)

    @property
    def days(self) -> tuple[date, ...]:
        """Each day."""
        return tuple(self.first + timedelta(days=number) for number in range(self._dates))

    @property
    def is_by_week(self) -> bool:
        """Whether a bar of a chart stands for a week."""
        return self.length > LONGEST_IN_DAYS

    @property
    def steps(self) -> tuple["Period", ...]:
        """What one bar of a chart stands for: a day, or a week of a long period."""
        width = 7 if self.is_by_week else 1
        # From the end, so that the last step is a whole one.
        ends = [self.last - timedelta(days=number) for number in range(0, self._dates, width)]
        return tuple(Period(max(self.first, end - timedelta(days=width - 1)), end) for end in reversed(ends))

    @property
    def before(self) -> "Period":
        """As many days directly before: last week, for a week."""
        if self.since is not None:
            raise ValueError("A period that begins within a day is not compared.")
        return Period(self.first - timedelta(days=self.length), self.first - timedelta(days=1))

    @property
    def _dates(self) -> int:
        return (self.last - self.first).days + 1


def begin_day(day: date) -> datetime:
    """The midnight with which ``day`` begins."""
    return datetime.combine(day, datetime.min.time(), UTC)


def choose_period(today: date, length: int) -> Period:
    """The ``length`` days that end with ``today``."""
    return Period(today - timedelta(days=length - 1), today)


def choose_last_hours(now: datetime, days: int) -> Period:
    """The last ``days`` times 24 hours before ``now``."""
    now = now.astimezone(UTC)
    since = now - timedelta(days=days)
    return Period(since.date(), now.date(), since)
