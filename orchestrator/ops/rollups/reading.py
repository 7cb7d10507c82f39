"""Add facts up: over all time for counters, over the days and repos of a chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from orchestrator.core import database
from orchestrator.ops.rollups import facts
from orchestrator.ops.rollups.facts import Fact

MAX_FAMILIES: Final = 50
"""How many block families have a label of their own; callers choose the names, so they are not bounded."""
OTHER_FAMILIES: Final = "other"


@dataclass(frozen=True, slots=True)
class CountScope:
    """Which days and which repos; None for all. ``first`` and ``last`` are days, both within.

    ``since`` is a moment before which nothing counts, for a period that begins within a day.
    """

    first: date | None = None
    last: date | None = None
    repos: tuple[str, ...] | None = None
    since: datetime | None = None


EVERYTHING: Final = CountScope()


def sum_facts(
    fact: Fact, keys: Sequence[str], sums: Mapping[str, str], scope: CountScope = EVERYTHING
) -> list[Any]:
    """Rows of ``keys`` and ``sums``, ordered by the keys; without keys always one row.

    ``keys`` are columns of the fact, ``sums`` names to SQL expressions over its columns. Both are written in
    our own code: nothing that a request brought may be among them.
    """
    columns = ", ".join((*keys, *(f"{expression} AS {name}" for name, expression in sums.items())))
    places = ", ".join(str(number) for number in range(1, len(keys) + 1))
    grouping = f" GROUP BY {places} ORDER BY {places}" if keys else ""
    source = facts.compose_reading(fact, is_cut=scope.since is not None)
    statement = (
        f"SELECT {columns} FROM {source}"  # noqa: S608 - see above
        " WHERE (%(repos)s::text[] IS NULL OR repo = ANY(%(repos)s::text[]))"
        " AND day >= coalesce(%(first)s::date, '-infinity') AND day <= coalesce(%(last)s::date, 'infinity')"
        f"{grouping}"
    )
    repos = None if scope.repos is None else list(scope.repos)
    bounds: dict[str, Any] = {"first": scope.first, "last": scope.last}
    if scope.since is not None:
        bounds |= {"cut": scope.since, "cut_end": _find_midnight_after(scope.since)}
    parameters = facts.build_parameters(repos=repos, **bounds)
    return database.fetch_rows(statement, parameters)


def _find_midnight_after(moment: datetime) -> datetime:
    day = moment.astimezone(UTC).date() + timedelta(days=1)
    return datetime.combine(day, datetime.min.time(), UTC)


def list_labelled_families() -> frozenset[str]:
    """The block families that have a label of their own: the first ``MAX_FAMILIES`` ever.

    The first ones and not the largest, because a series that changes its label would fall.
    """
    rows = sum_facts(facts.FLOWS, ("block_family",), {"first_flow": "min(first_flow)"})
    oldest = sorted(rows, key=lambda row: row.first_flow)
    return frozenset(row.block_family for row in oldest[:MAX_FAMILIES])


def label_family(family: str, labelled: frozenset[str]) -> str:
    """The label for ``family``, which may be empty."""
    return family if family in labelled or not family else OTHER_FAMILIES
