"""What the harness answers, for tests of how answers are read and judged."""

from typing import Any

MUTANT: dict[str, Any] = {
    "operator": "number",
    "line": 3,
    "column": 0,
    "end_line": 3,
    "end_column": 1,
    "function": "fee",
    "original": "1",
    "replacement": "2",
    "status": "Killed",
    "covered_by": None,
    "compared": 0,
    "differing": 0,
    "example": "",
}
MUTATION: dict[str, Any] = {
    "mutants": [MUTANT],
    "stand_ins": [],
    "small": False,
    "nulls": 12,
    "nulls_killed": 0,
    "nulls_run": 12,
    "unrun": 0,
    "feasible": True,
}
