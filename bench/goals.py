"""What a benchmark has to reach: each goal with what was measured, and the file that keeps it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
Goals = Mapping[str, tuple[str, float]]
"""Key of the results -> ``>=`` or ``<=`` and the number that it is compared with."""


def write(name: str, results: Mapping[str, Any]) -> None:
    """Keep ``results`` in ``results/<name>.json``, and show them."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(results, indent=2, sort_keys=True) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def report(results: Mapping[str, Any], goals: Goals) -> int:
    """A line for each goal; 1 if one was missed or not measured."""
    missed = 0
    for key, (sign, goal) in goals.items():
        value = results.get(key)
        met = value is not None and (value >= goal if sign == ">=" else value <= goal)
        missed += not met
        sys.stdout.write(f"{'met   ' if met else 'MISSED'} {key}: {value} (goal {sign} {goal})\n")
    return 1 if missed else 0
