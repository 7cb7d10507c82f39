from datetime import datetime

import pytest
from cron_schedule import CronError, next_run, parse


def test_parse():
    assert parse("0,30 8-10 1 */6 1-5") == {
        "minute": [0, 30],
        "hour": [8, 9, 10],
        "day": [1],
        "month": [1, 7],
        "weekday": [1, 2, 3, 4, 5],
    }
    assert parse("* * * * *")["weekday"] == [0, 1, 2, 3, 4, 5, 6]
    assert parse("10-20/5 * * * *")["minute"] == [10, 15, 20]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("* * * *", "4 fields instead of 5"),
        ("x * * * *", "minute: 'x' cannot be read"),
        ("* 24 * * *", "hour: '24' is out of range"),
        ("* * 0 * *", "day: '0' is out of range"),
        ("5-3 * * * *", "minute: '5-3' is out of range"),
        ("*/0 * * * *", r"minute: '\*/0' is out of range"),
        ("*/x * * * *", r"minute: '\*/x' cannot be read"),
    ],
)
def test_malformed(expression, message):
    with pytest.raises(CronError, match=f"^{message}$"):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("* * * * *", "2024-01-01T00:00:30", "2024-01-01T00:01"),
        ("0 9 * * 1-5", "2024-01-05T09:00", "2024-01-08T09:00"),
        ("30 8,12 * * *", "2024-01-05T08:30", "2024-01-05T12:30"),
        ("0 0 29 2 *", "2023-03-01T00:00", "2024-02-29T00:00"),
        ("0 0 * * 0", "2024-01-05T00:00", "2024-01-07T00:00"),
        ("59 23 31 12 *", "2024-12-31T23:59", "2025-12-31T23:59"),
        ("15 * * * *", "2024-01-01T10:20", "2024-01-01T11:15"),
    ],
)
def test_next_run(expression, after, expected):
    assert next_run(expression, datetime.fromisoformat(after)) == datetime.fromisoformat(expected)


def test_never():
    with pytest.raises(CronError, match="^never runs$"):
        next_run("0 0 30 2 *", datetime(2024, 1, 1))
