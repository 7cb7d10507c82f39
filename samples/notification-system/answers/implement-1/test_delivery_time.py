"""Delivery time: back-off, quiet hours over midnight and by day, digests, offsets, refusals."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from delivery_time import MAX_FAILURES, Delivery, backoff, delivery_time


def at(hour, minute=0, second=0, day=10):
    return datetime(2026, 3, day, hour, minute, second, tzinfo=UTC)


def test_by_day_it_goes_out_now():
    assert delivery_time(at(12, 30, 15)) == Delivery(at(12, 30, 15), "now")


@pytest.mark.parametrize(
    ("failures", "minutes"), [(0, 0), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64), (8, 128), (9, 256), (10, 360)]
)
def test_backoff_doubles_up_to_six_hours(failures, minutes):
    assert backoff(failures) == timedelta(minutes=minutes)


def test_a_failure_delays_the_next_try():
    assert delivery_time(at(12), failures=1) == Delivery(at(12, 1), "backoff")
    assert delivery_time(at(12), failures=9) == Delivery(at(16, 16), "backoff")


def test_after_ten_failures_it_gives_up():
    assert MAX_FAILURES == 10
    assert [delivery_time(at(12), failures=n) for n in (10, 11)] == [Delivery(None, "gave_up")] * 2


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(21, 59, 59), Delivery(at(21, 59, 59), "now")),
        (at(22), Delivery(at(7, day=11), "quiet")),
        (at(23, 59, 59), Delivery(at(7, day=11), "quiet")),
        (at(0), Delivery(at(7), "quiet")),
        (at(6, 59, 59), Delivery(at(7), "quiet")),
        (at(7), Delivery(at(7), "now")),
    ],
)
def test_quiet_hours_run_over_midnight_by_default(now, expected):
    assert delivery_time(now) == expected


@pytest.mark.parametrize(("hour", "minute", "quiet"), [(12, 59, False), (13, 0, True), (14, 29, True), (14, 30, False)])
def test_quiet_hours_may_lie_within_a_day(hour, minute, quiet):
    delivery = delivery_time(at(hour, minute), quiet_from=13 * 60, quiet_until=14 * 60 + 30)
    assert delivery == (Delivery(at(14, 30), "quiet") if quiet else Delivery(at(hour, minute), "now"))


def test_equal_minutes_mean_no_quiet_hours():
    assert delivery_time(at(3), quiet_from=180, quiet_until=180) == Delivery(at(3), "now")


def test_backoff_can_end_in_quiet_hours():
    assert delivery_time(at(21, 59), failures=1) == Delivery(at(7, day=11), "quiet")


def test_urgent_ignores_quiet_hours_but_not_backoff():
    assert delivery_time(at(3), "urgent") == Delivery(at(3), "now")
    assert delivery_time(at(3), "urgent", failures=3) == Delivery(at(3, 4), "backoff")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(8, 59, 59), Delivery(at(9), "digest")),
        (at(9), Delivery(at(9), "now")),
        (at(9, 0, 1), Delivery(at(9, day=11), "digest")),
    ],
)
def test_digests_wait_for_nine(now, expected):
    assert delivery_time(now, "digest") == expected


def test_a_digest_that_falls_into_quiet_hours_waits_for_their_end():
    assert delivery_time(at(12), "digest", quiet_until=10 * 60) == Delivery(at(10, day=11), "quiet")


@pytest.mark.parametrize(("offset", "sent"), [(60, at(6)), (-120, at(9)), (330, at(1, 30))])
def test_hours_are_those_of_the_device(offset, sent):
    assert delivery_time(at(5 if offset == 60 else 1 if offset > 60 else 5), offset_minutes=offset) == Delivery(sent, "quiet")


def test_other_zones_are_answered_in_utc():
    tried = datetime(2026, 3, 10, 14, tzinfo=timezone(timedelta(hours=2)))
    send_at = delivery_time(tried).send_at
    assert (send_at, send_at.tzinfo) == (at(12), UTC)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="^tried_at: must have a time zone$"):
        delivery_time(datetime(2026, 3, 10))


@pytest.mark.parametrize("year", [1999, 2101])
def test_far_away_years_are_refused(year):
    with pytest.raises(ValueError, match="^tried_at: must be in the years 2000 to 2100$"):
        delivery_time(datetime(year, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize("year", [2000, 2100])
def test_the_first_and_last_years_are_fine(year):
    assert delivery_time(datetime(year, 6, 1, 12, tzinfo=UTC)).reason == "now"


def test_an_unknown_urgency_is_refused():
    with pytest.raises(ValueError, match="^urgency: unknown 'asap'$"):
        delivery_time(at(1), "asap")


def test_negative_failures_are_refused():
    with pytest.raises(ValueError, match="^failures: must not be negative$"):
        delivery_time(at(1), failures=-1)


@pytest.mark.parametrize("offset", [841, -841])
def test_offsets_beyond_the_date_line_are_refused(offset):
    with pytest.raises(ValueError, match="^offset_minutes: must be within 840$"):
        delivery_time(at(1), offset_minutes=offset)


def test_the_date_line_itself_is_fine():
    assert delivery_time(at(0), offset_minutes=840) == Delivery(at(0), "now")
    assert delivery_time(at(22), offset_minutes=-840) == Delivery(at(22), "now")


@pytest.mark.parametrize("name", ["quiet_from", "quiet_until"])
@pytest.mark.parametrize("minute", [-1, 1440])
def test_minutes_of_the_day_have_limits(name, minute):
    with pytest.raises(ValueError, match=f"^{name}: must be 0 to 1439$"):
        delivery_time(at(1), **{name: minute})


def test_the_last_minute_of_the_day_is_fine():
    assert delivery_time(at(12), quiet_from=0, quiet_until=1439) == Delivery(at(23, 59), "quiet")
