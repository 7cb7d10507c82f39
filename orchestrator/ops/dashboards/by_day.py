"""Sums by day as the numbers of each step of a period."""

from collections.abc import Callable, Iterable
from typing import Any

from orchestrator.ops.dashboards.period import Period

Steps = tuple[Period, ...]


def add_up(rows: Iterable[Any], steps: Steps, value: Callable[[Any], float]) -> list[float | None]:
    """``value`` of each row, added up in the step of its day, which is the first key; 0 where there is
    none."""
    groups = group_by_step(rows, steps)
    return [sum(map(value, group)) for group in groups]


def group_by_step(rows: Iterable[Any], steps: Steps) -> list[list[Any]]:
    """The rows of each step."""
    place = {day: number for number, step in enumerate(steps) for day in step.days}
    groups: list[list[Any]] = [[] for _ in steps]
    for row in rows:
        groups[place[row.keys[0]]].append(row)
    return groups


def compare(
    rows: Iterable[Any], steps: Steps, part: Callable[[Any], float], whole: Callable[[Any], float]
) -> list[float | None]:
    """The sum of ``part`` over the sum of ``whole`` in each step; None where there is no whole."""
    found: list[float | None] = []
    for group in group_by_step(rows, steps):
        total = sum(whole(row) for row in group)
        found.append(sum(part(row) for row in group) / total if total else None)
    return found


def split(rows: Iterable[Any], steps: Steps, value: Callable[[Any], float]) -> dict[str, list[float | None]]:
    """``value`` by the second key and by step."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.keys[1], []).append(row)
    return {name: add_up(own, steps, value) for name, own in found.items()}
