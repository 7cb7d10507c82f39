from datetime import date

import pytest
from date_ranges import DateRange, count_workdays, overlap_days


def day(number):
    return date(2024, 1, number)


def test_iterates_over_all_days():
    days = DateRange(day(30), date(2024, 2, 2))
    assert list(days) == [day(30), day(31), date(2024, 2, 1), date(2024, 2, 2)]
    assert len(days) == 4
    assert day(30) in days
    assert date(2024, 2, 2) in days
    assert day(29) not in days
    assert "x" not in days


def test_end_before_start():
    with pytest.raises(ValueError, match="^end is before start$"):
        DateRange(day(2), day(1))


@pytest.mark.parametrize(
    ("start", "end", "holidays", "expected"),
    [(1, 7, [], 5), (1, 7, [1], 4), (6, 7, [], 0), (1, 14, [6], 10), (5, 5, [], 1)],
)
def test_workdays(start, end, holidays, expected):
    assert count_workdays(day(start), day(end), [day(each) for each in holidays]) == expected


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [((1, 5, 3, 9), 3), ((1, 5, 5, 9), 1), ((1, 5, 6, 9), 0), ((1, 9, 3, 4), 2), ((7, 9, 1, 3), 0)],
)
def test_overlap(ranges, expected):
    assert overlap_days(*map(day, ranges)) == expected
