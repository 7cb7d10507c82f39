"""Deployment freezes: whether a day is frozen, by which freeze, and when deployments are possible again.

A freeze runs from its first to its last day. Days are dates in UTC. Teams that are exempt may deploy during a freeze.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

MAX_DAYS = 60


@dataclass(frozen=True)
class Freeze:
    """From ``first`` to ``last``, which still belongs to it; ``exempt`` teams are not held up."""

    name: str
    first: date
    last: date
    exempt: frozenset[str]

    def holds(self, day: date, team: str) -> bool:
        """Whether ``team`` must not deploy on ``day``."""
        return self.first <= day <= self.last and team not in self.exempt


@dataclass(frozen=True)
class Answer:
    """``freeze`` is the name of what holds the team up, empty if nothing does; ``next_day`` is the next day without."""

    frozen: bool
    freeze: str
    next_day: date


def freeze_window(freezes: Sequence[Mapping[str, object]], day: date, team: str = "") -> Answer:
    """Whether ``team`` may deploy on ``day``.

    A freeze is ``{"name", "first", "last", "exempt": [team]}``. Where several hold, the first in the list is named.
    Raises ``ValueError`` for a freeze that ends before it starts, is longer than 60 days, or has the name of another,
    for years after 9000, and on the last day of a freeze,
    about which the request contradicts itself.
    """
    if day.year > 9000:
        raise ValueError(f"day: {day} is too far away")
    parsed = _freezes(freezes)
    for freeze in parsed:
        if day == freeze.last and team not in freeze.exempt:
            raise ValueError(f"{freeze.name}: the request is not clear about its last day")
    holding = [freeze for freeze in parsed if freeze.holds(day, team)]
    next_day = day
    while any(freeze.holds(next_day, team) for freeze in parsed):
        next_day += timedelta(days=1)
    return Answer(bool(holding), holding[0].name if holding else "", next_day)


def _freezes(rows: Sequence[Mapping[str, object]]) -> list[Freeze]:
    freezes: list[Freeze] = []
    for row in rows:
        name, exempt = str(row["name"]), row.get("exempt", [])
        first, last = date.fromisoformat(str(row["first"])), date.fromisoformat(str(row["last"]))
        if last < first:
            raise ValueError(f"{name}: ends before it starts")
        if (last - first).days >= MAX_DAYS:
            raise ValueError(f"{name}: longer than {MAX_DAYS} days")
        if any(freeze.name == name for freeze in freezes):
            raise ValueError(f"{name}: listed twice")
        teams = [str(team) for team in exempt] if isinstance(exempt, list) else []
        freezes.append(Freeze(name, first, last, frozenset(teams)))
    return freezes
