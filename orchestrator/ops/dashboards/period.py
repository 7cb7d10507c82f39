"""The days that a dashboard shows, and those before them that it compares with."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

RANGES: Final = (7, 30, 90, 365)
"""Days that a dashboard may show; today is the last of them."""
DEFAULT_RANGE: Final = 7
LONGEST_IN_DAYS: Final = 90
"""A longer period is shown by weeks: a phone has no room for more bars."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from ``first`` to ``last``, both within, in UTC."""

    first: date
    last: date

    @property
    def length(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    @property
    def days(self) -> tuple[date, ...]:
        """Each day."""
        return tuple(self.first + timedelta(days=number) for number in range(self.length))

    @property
    def is_by_week(self) -> bool:
        """Whether a bar of a chart stands for a week."""
        return self.length > LONGEST_IN_DAYS

    @property
    def steps(self) -> tuple["Period", ...]:
        """What one bar of a chart stands for: a day, or a week of a long period."""
        width = 7 if self.is_by_week else 1
        # From the end, so that the last step is a whole one.
        ends = [self.last - timedelta(days=number) for number in range(0, self.length, width)]
        return tuple(Period(max(self.first, end - timedelta(days=width - 1)), end) for end in reversed(ends))

    @property
    def before(self) -> "Period":
        """As many days directly before: last week, for a week."""
        return Period(self.first - timedelta(days=self.length), self.first - timedelta(days=1))


def choose_period(today: date, length: int) -> Period:
    """The ``length`` days that end with ``today``."""
    return Period(today - timedelta(days=length - 1), today)
