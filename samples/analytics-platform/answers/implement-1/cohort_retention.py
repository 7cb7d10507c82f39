"""Cohort retention: of those who first came in a week, how many were back in each week after.

Weeks are ISO weeks: they start on Monday. A cohort is everybody whose first event lies in the same week. Week 0 is the
cohort's own, so it always holds everybody. Shares are percentages with one place, rounded half up.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

MAX_WEEKS = 53
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Cohort:
    """``active[n]`` people of the cohort had an event in its ``n``-th week; ``percent[n]`` is their share.

    Both end with the last week that is complete at ``as_of``: a week that is still running would look like churn.
    """

    week: date
    size: int
    active: tuple[int, ...]
    percent: tuple[Decimal, ...]


@dataclass(frozen=True)
class Retention:
    """Cohorts from old to new, and ``average[n]``: the share of all people who could be back in week ``n`` that were."""

    cohorts: tuple[Cohort, ...]
    average: tuple[Decimal, ...]


def cohort_retention(events: Sequence[Mapping[str, object]], as_of: date, weeks: int = 8) -> Retention:
    """Retention of ``events``, each ``{"user": str, "day": ISO date}``, over ``weeks`` weeks after the first.

    Cohorts whose first week is not complete on the day ``as_of`` (that day included) are left out. Raises ``ValueError``
    for weeks outside 0..53, an event without a user, and one later than ``as_of``.
    """
    if not 0 <= weeks <= MAX_WEEKS:
        raise ValueError(f"weeks: must be 0 to {MAX_WEEKS}")
    active = _active_weeks(events, as_of)
    members: dict[int, list[set[int]]] = defaultdict(list)
    for seen in active.values():
        members[min(seen)].append(seen)
    # The running week counts once as_of is its Sunday.
    complete = _week(as_of) - (as_of.weekday() != 6)
    cohorts = tuple(_cohort(week, members[week], min(weeks, complete - week)) for week in sorted(members) if week <= complete)
    return Retention(cohorts, _average(cohorts))


def _active_weeks(events: Sequence[Mapping[str, object]], as_of: date) -> dict[str, set[int]]:
    active: dict[str, set[int]] = defaultdict(set)
    for number, event in enumerate(events, start=1):
        user, day = str(event["user"]), date.fromisoformat(str(event["day"]))
        if not user:
            raise ValueError(f"event {number}: no user")
        if day > as_of:
            raise ValueError(f"event {number}: {day} is after {as_of}")
        active[user].add(_week(day))
    return active


def _week(day: date) -> int:
    """Number of the week since 1 January of year 1, which was a Monday."""
    return (day.toordinal() - 1) // 7


def _cohort(week: int, members: list[set[int]], last: int) -> Cohort:
    active = tuple(sum(week + offset in seen for seen in members) for offset in range(last + 1))
    size = len(members)
    return Cohort(date.min + timedelta(weeks=week), size, active, tuple(_percent(count, size) for count in active))


def _average(cohorts: tuple[Cohort, ...]) -> tuple[Decimal, ...]:
    """Weighted by size, over the cohorts that are old enough for the week."""
    longest = max((len(cohort.active) for cohort in cohorts), default=0)
    shares = []
    for offset in range(longest):
        old_enough = [cohort for cohort in cohorts if offset < len(cohort.active)]
        shares.append(_percent(sum(cohort.active[offset] for cohort in old_enough), sum(cohort.size for cohort in old_enough)))
    return tuple(shares)


def _percent(part: int, whole: int) -> Decimal:
    return (Decimal(100 * part) / whole).quantize(_TENTH, rounding=ROUND_HALF_UP)
