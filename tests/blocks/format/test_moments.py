"""Times with their day, as they are kept and as they are read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from blocks.format.moments import describe_moment, read_moments, write_moment

NOW = datetime(2026, 11, 29, 15, 35, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW + timedelta(seconds=40), "today 15:35:40 UTC, in 40 s"),
        (NOW + timedelta(minutes=25), "today 16:00 UTC, in 25 min"),
        (NOW + timedelta(hours=24, minutes=25), "tomorrow 16:00 UTC, in 24 h 25 min"),
        (NOW + timedelta(hours=3), "today 18:35 UTC, in 3 h"),
        (NOW + timedelta(days=3), "2 Dec 15:35 UTC, in 3 days"),
        (NOW + timedelta(days=40), "8 Jan 2027 15:35 UTC, in 40 days"),
        (NOW - timedelta(minutes=5), "today 15:30 UTC"),
        (NOW - timedelta(hours=20), "yesterday 19:35 UTC"),
        (datetime(2026, 11, 29, 18, 0, tzinfo=timezone(timedelta(hours=2))), "today 16:00 UTC, in 25 min"),
    ],
)
def test_a_moment_is_read_with_its_day_and_its_distance(at: datetime, words: str) -> None:
    assert describe_moment(at, NOW) == words


def test_a_kept_text_is_read_by_the_clock_of_its_reader() -> None:
    kept = f"anthropic: capacity returns {write_moment(NOW + timedelta(hours=24, minutes=25))}"
    assert kept == "anthropic: capacity returns 2026-11-30T16:00Z"
    assert read_moments(kept, NOW).endswith("tomorrow 16:00 UTC, in 24 h 25 min")
    assert read_moments(kept, NOW + timedelta(days=1)).endswith("today 16:00 UTC, in 25 min")


def test_a_text_without_a_moment_stays() -> None:
    assert read_moments("paused by an operator", NOW) == "paused by an operator"
    assert write_moment(NOW + timedelta(seconds=7)) == "2026-11-29T15:35:07Z"
