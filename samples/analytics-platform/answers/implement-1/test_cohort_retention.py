"""Cohort retention: weeks from Monday, cohorts by first event, complete weeks only, weighted averages, refusals."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from cohort_retention import Cohort, Retention, cohort_retention

MONDAY = date(2026, 3, 2)
LATER = date(2026, 6, 30)


def event(user, day=0):
    """An event of ``user`` so many days after the first Monday."""
    return {"user": user, "day": (MONDAY + timedelta(days=day)).isoformat()}


def percent(*values):
    return tuple(Decimal(value) for value in values)


def test_no_events_no_cohorts():
    assert cohort_retention([], LATER) == Retention((), ())


def test_the_whole_result_of_two_cohorts():
    events = [event("a"), event("b", 6), event("c", 2), event("a", 8), event("b", 14), event("a", 20)]
    events += [event("d", 7), event("d", 15)]
    assert cohort_retention(events, LATER, weeks=2) == Retention(
        cohorts=(
            Cohort(MONDAY, 3, (3, 1, 2), percent("100.0", "33.3", "66.7")),
            Cohort(MONDAY + timedelta(days=7), 1, (1, 1, 0), percent("100.0", "100.0", "0.0")),
        ),
        average=percent("100.0", "50.0", "50.0"),
    )


@pytest.mark.parametrize(("day", "week"), [(-1, -7), (0, 0), (6, 0), (7, 7)])
def test_weeks_start_on_monday(day, week):
    assert cohort_retention([event("a", day)], LATER).cohorts[0].week == MONDAY + timedelta(days=week)


def test_the_first_event_decides_whatever_the_order():
    (cohort,) = cohort_retention([event("a", 9), event("a", 0), event("a", 9)], LATER, weeks=1).cohorts
    assert (cohort.week, cohort.active) == (MONDAY, (1, 1))


def test_cohorts_come_from_old_to_new():
    events = [event("a", 30), event("b", 0), event("c", 15)]
    weeks = [cohort.week for cohort in cohort_retention(events, LATER).cohorts]
    assert weeks == [MONDAY, MONDAY + timedelta(days=14), MONDAY + timedelta(days=28)]


@pytest.mark.parametrize(("as_of", "length"), [(5, 0), (6, 1), (12, 1), (13, 2), (19, 2), (20, 3)])
def test_only_complete_weeks_are_reported(as_of, length):
    cohorts = cohort_retention([event("a")], MONDAY + timedelta(days=as_of)).cohorts
    assert [len(cohort.active) for cohort in cohorts] == ([length] if length else [])


def test_by_default_eight_weeks_follow_the_first():
    assert len(cohort_retention([event("a")], LATER).cohorts[0].active) == 9


def test_no_weeks_leave_the_cohorts_own():
    assert cohort_retention([event("a"), event("a", 7)], LATER, weeks=0).average == percent("100.0")


def test_averages_leave_out_cohorts_that_are_too_young():
    events = [event("a"), event("b"), event("a", 7), event("c", 7), event("d", 7), event("e", 7)]
    retention = cohort_retention(events, MONDAY + timedelta(days=13))
    assert [cohort.active for cohort in retention.cohorts] == [(2, 1), (3,)]
    assert retention.average == percent("100.0", "50.0")


def test_averages_are_weighted_by_size():
    events = [event("a"), event("b"), event("c"), event("a", 7), event("d", 7), event("d", 14)]
    assert cohort_retention(events, LATER, weeks=1).average == percent("100.0", "50.0")


def test_shares_round_half_up():
    people = [event(f"u{n}") for n in range(16)]
    assert cohort_retention([*people, event("u1", 7)], LATER, weeks=1).cohorts[0].percent[1] == Decimal("6.3")


def test_a_year_of_weeks_is_the_most():
    assert len(cohort_retention([event("a")], MONDAY + timedelta(days=600), weeks=53).cohorts[0].active) == 54


@pytest.mark.parametrize("weeks", [-1, 54])
def test_weeks_have_limits(weeks):
    with pytest.raises(ValueError, match="^weeks: must be 0 to 53$"):
        cohort_retention([], LATER, weeks=weeks)


def test_an_event_without_a_user_is_refused():
    with pytest.raises(ValueError, match="^event 2: no user$"):
        cohort_retention([event("a"), event("")], LATER)


def test_an_event_after_the_last_day_is_refused_and_one_on_it_is_not():
    assert cohort_retention([event("a", 6)], MONDAY + timedelta(days=6)).cohorts[0].size == 1
    with pytest.raises(ValueError, match="^event 1: 2026-03-09 is after 2026-03-08$"):
        cohort_retention([event("a", 7)], MONDAY + timedelta(days=6))


def test_the_first_week_of_all_is_a_week_too():
    (cohort,) = cohort_retention([{"user": "a", "day": "0001-01-01"}], date(1, 1, 14)).cohorts
    assert (cohort.week, cohort.active) == (date(1, 1, 1), (1, 0))
