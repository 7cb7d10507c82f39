"""The block under test as the planner sees it: text and tree, never a running module."""

import ast
import json
import random
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gates.harness.tree_edits import Edit, compile_tree
from gates.harness.zygote_pool import ChildResult, ZygotePool

CPU_FLOOR, WALL_FLOOR = 0.5, 3.0


class Unmeasurable(Exception):
    """The block cannot be judged further; the message is for its author."""


@dataclass
class BlockUnderTest:
    """A block in its folder, and its runs in a pool. ``seed`` decides every draw, so that a replay draws the same.

    ``patience`` is what the honest run may take, in seconds of processor time; ``slack`` how many times more than that the
    clock may show, on a machine that has other things to do.
    """

    folder: Path
    name: str
    pool: ZygotePool
    seed: str
    patience: float
    slack: float = 1.0
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_line: dict[int, set[str]] = field(default_factory=dict)
    baseline: float = 0.0
    baseline_wall: float = 0.0

    @property
    def filename(self) -> str:
        return str(self.folder / f"{self.name}.py")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(Path(self.filename).read_bytes(), self.filename)

    @cached_property
    def code(self) -> bytes:
        return compile_tree(self.tree, self.filename)

    def draw(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}:{purpose}")

    def job(self, code: bytes, only: list[str] | None = None, measure: bool = False) -> dict[str, Any]:
        """A run of the tests against ``code``. Limits grow with what the honest run took, a moment ago, on the same machine."""
        cpu = max(CPU_FLOOR, 6 * self.baseline)
        wall = max(WALL_FLOOR * self.slack, 4 * cpu, 6 * self.baseline_wall)
        return {"code": code, "only": only, "measure": measure, "maxfail": 1, "cpu": cpu, "wall": wall}

    def measure(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The honest run twice: bare, and under coverage. Returns both reports; raises `Refused` when there is none."""
        patient = {"cpu": self.patience, "wall": 1.5 * self.patience * self.slack, "maxfail": 0}
        bare = self.pool.one(self.job(self.code) | patient)
        honest = read_report(bare)
        measured = read_report(self.pool.one(self.job(self.code, measure=True) | patient))
        self.baseline, self.baseline_wall = bare.processor_seconds, bare.seconds
        self.tests = honest["tests"]
        for line, names in measured.get("contexts", {}).items():
            self.by_line[int(line)] = {name for name in names if name in self.tests}
        return honest, measured

    def selection(self, edit: Edit) -> list[str] | None:
        """The tests that reach an edit, quick ones first; ``None`` is all of them, for code that runs on import."""
        if not edit.function:
            return None
        names = set().union(*(self.by_line.get(line, set()) for line in range(edit.first, edit.last + 1)))
        return sorted(names)


def read_report(ran: ChildResult) -> dict[str, Any]:
    """Parse a child's report. Raises `Refused`: no report is never a pass."""
    if ran.too_slow:
        raise Unmeasurable("The tests did not end in time.")
    try:
        report = json.loads(ran.report)
        tests, errors = report["tests"], report["errors"]
        ok = isinstance(tests, dict) and isinstance(errors, list) and isinstance(report["exit"], int)
        ok = ok and all(
            isinstance(test["outcome"], str) and isinstance(test["text"], str) and test["seconds"] >= 0
            for test in tests.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unmeasurable(
            "The test run ended without a result: the code or its tests stopped the process."
        ) from error
    if not ok:
        raise Unmeasurable("The test run's result is malformed.")
    return report  # type: ignore[no-any-return]


def judge_edit_run(ran: ChildResult, expected: list[str] | None) -> str:
    """How a run under an edit ended: ``Killed``, ``Timeout`` or ``Survived``."""
    if ran.too_slow:
        return "Timeout"
    try:
        report = read_report(ran)
    except Unmeasurable:
        return "Killed"
    outcomes = [test["outcome"] for test in report["tests"].values()]
    wanted = expected is None or len(outcomes) == len(expected)
    return "Survived" if report["exit"] == 0 and wanted and set(outcomes) == {"passed"} else "Killed"


def failed_by_assertion(ran: ChildResult) -> bool:
    """Whether a test objected by an assertion, rather than by crashing."""
    try:
        return any(test.get("asserted") is True for test in read_report(ran)["tests"].values())
    except Unmeasurable:
        return False
