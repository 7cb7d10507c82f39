from datetime import date

import pytest
from due_dates import due, is_working_day, overdue

FRIDAY = date(2024, 3, 1)


@pytest.mark.parametrize(
    ("days", "expected"), [(0, FRIDAY), (1, date(2024, 3, 5)), (2, date(2024, 3, 6)), (5, date(2024, 3, 11))]
)
def test_due(days, expected):
    assert due(FRIDAY, days, [date(2024, 3, 4)]) == expected


def test_days_must_not_be_negative():
    with pytest.raises(ValueError, match="^days must not be negative$"):
        due(FRIDAY, -1, [])


def test_working_days():
    week = [date(2024, 3, number) for number in range(4, 11)]
    assert [is_working_day(day, [date(2024, 3, 6)]) for day in week] == [
        True,
        True,
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("today", "late"), [(date(2024, 2, 29), 0), (FRIDAY, 0), (date(2024, 3, 2), 1), (date(2024, 3, 31), 30)]
)
def test_overdue(today, late):
    assert overdue(FRIDAY, today) == late
