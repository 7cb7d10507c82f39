"""What a benchmark has to reach: each goal beside what was measured, and the file that keeps the figures."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.scale import SMALL

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound of one figure. An ``exact`` one holds at every size, so the small form has to reach it too."""

    sign: str
    bound: float
    exact: bool = False

    def is_met(self, value: float | None) -> bool:
        """Whether ``value`` is within the bound; a figure that was not measured is not."""
        if value is None:
            return False
        return value >= self.bound if self.sign == ">=" else value <= self.bound


Goals = Mapping[str, Goal]
"""A goal for each figure that has one, by the figure's key in the results."""


def at_least(bound: float, *, exact: bool = False) -> Goal:
    """The figure may not be smaller."""
    return Goal(">=", bound, exact)


def at_most(bound: float, *, exact: bool = False) -> Goal:
    """The figure may not be larger."""
    return Goal("<=", bound, exact)


def find_results_file(name: str, suffix: str = ".json") -> Path | None:
    """Where a benchmark keeps its figures: ``bench/results``, or the folder of ``--results``.

    None in the small form without ``--results``: tiny sizes never replace measured figures.
    """
    folder = os.environ.get("BENCH_RESULTS")
    if folder:
        return Path(folder) / f"{name}{suffix}"
    return None if SMALL else RESULTS / f"{name}{suffix}"


def write_results(name: str, results: Mapping[str, Any]) -> None:
    """Keep ``results`` in the benchmark's file, and print them."""
    text = json.dumps(results, indent=2, sort_keys=True) + "\n"
    path = find_results_file(name)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def judge_results(results: Mapping[str, Any], goals: Goals) -> int:
    """Print a line for each goal; 1 if one was missed or not measured, 0 otherwise."""
    missed = 0
    for key, goal in goals.items():
        if SMALL and not goal.exact:
            continue
        value = results.get(key)
        met = goal.is_met(value)
        missed += not met
        verdict = "met   " if met else "MISSED"
        sys.stdout.write(f"{verdict} {key}: {value} (goal {goal.sign} {goal.bound})\n")
    return 1 if missed else 0
