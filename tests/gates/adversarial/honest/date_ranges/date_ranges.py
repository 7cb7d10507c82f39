"""Ranges of dates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, order=True)
class DateRange:
    """All days from ``start`` to ``end``, both included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("end is before start")

    def __iter__(self) -> Iterator[date]:
        day = self.start
        while day <= self.end:
            yield day
            day += timedelta(days=1)

    def __len__(self) -> int:
        return (self.end - self.start).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.start <= day <= self.end


def count_workdays(start: date, end: date, holidays: list[date]) -> int:
    """Days from Monday to Friday in the range that are no holidays."""
    return sum(1 for day in DateRange(start, end) if day.weekday() < 5 and day not in set(holidays))


def overlap_days(start: date, end: date, other_start: date, other_end: date) -> int:
    """How many days two ranges have in common."""
    first, second = DateRange(start, end), DateRange(other_start, other_end)
    return max(0, (min(first.end, second.end) - max(first.start, second.start)).days + 1)
