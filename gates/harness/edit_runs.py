"""Runs of the tests under edits: real ones and null mutants mixed, in an order that no child can know."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, judge_edit_run
from gates.harness.tree_edits import Edit

# How many times more time a null mutant gets that was stopped.
_RERUN_TIMES = 4


@dataclass
class EditRuns:
    """The results of a plan of edits. The first ``real`` of them are real, the others are null mutants.

    ``tests`` is by index: the tests that were selected, ``None`` for all, an empty list where no test reaches
    the edit.
    """

    real: int
    tests: list[list[str] | None]
    fates: dict[int, str] = field(default_factory=dict)

    def joined(self, other: "EditRuns") -> "EditRuns":
        """Both plans as one: the edits of ``other`` follow those of this one, then all null mutants."""
        real = self.real + other.real
        tests = [
            *self.tests[: self.real],
            *other.tests[: other.real],
            *self.tests[self.real :],
            *other.tests[other.real :],
        ]
        fates = {}
        for index, fate in self.fates.items():
            fates[index if index < self.real else index + other.real] = fate
        for index, fate in other.fates.items():
            fates[index + (self.real if index < other.real else len(self.tests))] = fate
        return EditRuns(real, tests, fates)

    @property
    def null_mutants(self) -> int:
        """Null mutants of the plan."""
        return len(self.tests) - self.real

    def is_run(self, index: int) -> bool:
        """Whether the plan has a run for this edit: without a test that reaches it there is none."""
        return self.tests[index] != []

    def fate(self, index: int) -> str:
        """As ``judge_edit_run`` says, ``NoCoverage`` or, where the time ran out, ``Pending``."""
        if not self.is_run(index):
            return "NoCoverage"
        return self.fates.get(index, "Pending")

    def is_killed(self, index: int) -> bool:
        """Whether a test noticed this edit."""
        return self.fate(index) in ("Killed", "RuntimeError", "Timeout")

    @property
    def planned(self) -> int:
        """Runs that the plan has."""
        return sum(self.is_run(index) for index in range(len(self.tests)))

    @property
    def unrun(self) -> int:
        """Runs for which there was no time."""
        return self.planned - len(self.fates)

    @property
    def null_mutants_run(self) -> int:
        """Null mutants that the plan has a run for."""
        return sum(self.is_run(index) for index in range(self.real, len(self.tests)))

    @property
    def null_mutants_killed(self) -> int:
        """Null mutants that did not survive. One for which there was no time counts: nothing cleared it."""
        null_mutants = range(self.real, len(self.tests))
        return sum(self.fate(index) not in ("Survived", "NoCoverage") for index in null_mutants)

    def is_feasible(self, block: BlockUnderTest, seconds: float) -> bool:
        """Whether ``seconds`` would do for all runs of the plan, if each took as long as the honest one."""
        return block.baseline * self.planned < seconds


def run_edits(
    block: BlockUnderTest,
    edits: Sequence[Edit],
    null_mutants: Sequence[Edit],
    draw: random.Random,
    deadline: float,
) -> EditRuns:
    """Run the tests under each of ``edits`` and ``null_mutants``."""
    plan = [*edits, *null_mutants]
    # The order must tell a child nothing about the kind of its edit.
    order = list(range(len(plan)))
    draw.shuffle(order)
    runs = EditRuns(len(edits), [block.select_tests(edit) for edit in plan])
    slow: list[int] = []
    for result in block.pool.run(_list_jobs(block, plan, runs, order), deadline):
        runs.fates[result.id] = judge_edit_run(result, runs.tests[result.id])
        # One null mutant that dies fails the block. The time alone must not say that it died.
        if result.too_slow and result.id >= runs.real:
            slow.append(result.id)
    for result in block.pool.run_again(_list_jobs(block, plan, runs, slow), _RERUN_TIMES):
        runs.fates[result.id] = judge_edit_run(result, runs.tests[result.id])
    return runs


def _list_jobs(
    block: BlockUnderTest, plan: Sequence[Edit], runs: EditRuns, order: Iterable[int]
) -> Iterator[dict[str, Any]]:
    """The runs of the plan, each compiled only when its turn comes: zygotes work meanwhile."""
    for index in order:
        if runs.is_run(index):
            code = block.compile_change(plan[index])
            yield {**block.test_job(code, runs.tests[index]), "id": index}
