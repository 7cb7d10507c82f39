"""Working days."""

from datetime import date, timedelta

SATURDAY = 5


def is_working_day(day: date, holidays: list[date]) -> bool:
    """Neither weekend nor holiday."""
    return day.weekday() < SATURDAY and day not in holidays


def due(start: date, days: int, holidays: list[date]) -> date:
    """The day that lies ``days`` working days after ``start``."""
    if days < 0:
        raise ValueError("days must not be negative")
    day = start
    while days > 0:
        day += timedelta(days=1)
        if is_working_day(day, holidays):
            days -= 1
    return day


def overdue(due_on: date, today: date) -> int:
    """Days by which something is late, none if it is not."""
    return max(0, (today - due_on).days)
