"""Runs of the tests under edits: real ones and null mutants mixed, in an order that no child can know."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from gates.harness.block_under_test import BlockUnderTest, judge_edit_run
from gates.harness.tree_edits import Edit

# How many times more clock a null mutant gets that the clock had stopped.
_RERUN_SLACK = 4


@dataclass
class EditRuns:
    """The results of a plan of edits. The first ``real`` of them are real, the others are null mutants.

    ``tests`` is by index: the tests that were selected, ``None`` for all, an empty list where no test reaches
    the edit.
    """

    real: int
    tests: list[list[str] | None]
    fates: dict[int, str] = field(default_factory=dict)
    asserted: set[int] = field(default_factory=set)

    def is_run(self, index: int) -> bool:
        """Whether the plan has a run for this edit: without a test that reaches it there is none."""
        return self.tests[index] != []

    def fate(self, index: int) -> str:
        """``Killed``, ``Timeout``, ``Survived``, ``NoCoverage`` or, where the time ran out, ``Pending``."""
        if not self.is_run(index):
            return "NoCoverage"
        return self.fates.get(index, "Pending")

    def is_killed(self, index: int) -> bool:
        """Whether a test noticed this edit."""
        return self.fate(index) in ("Killed", "Timeout")

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
        """Whether a quiet machine would have had the time, given ``seconds`` on this one."""
        return block.baseline * self.planned < seconds / block.slack


def run_edits(
    block: BlockUnderTest,
    plan: Sequence[tuple[Edit, bytes]],
    real: int,
    draw: random.Random,
    deadline: float,
) -> EditRuns:
    """Run the tests under each edit of ``plan``; all after the first ``real`` are null mutants."""
    # The order must tell a child nothing about the kind of its edit.
    order = list(range(len(plan)))
    draw.shuffle(order)
    runs = EditRuns(real, [block.select_tests(edit) for edit, _ in plan])
    jobs = {}
    for index in order:
        if runs.is_run(index):
            # Limits come from the honest run, so a job is built only now.
            code = plan[index][1]
            jobs[index] = {**block.test_job(code, runs.tests[index]), "id": index}
    stalled = {}
    for result in block.pool.run(jobs.values(), deadline):
        runs.fates[result.id], asserted = judge_edit_run(result, runs.tests[result.id])
        if asserted:
            runs.asserted.add(result.id)
        # One null mutant that dies fails the block. The clock alone must not say that it died.
        if result.fate == "stalled" and result.id >= real:
            stalled[result.id] = jobs[result.id]
    for result in block.pool.run_again(stalled, _RERUN_SLACK):
        runs.fates[result.id], _ = judge_edit_run(result, runs.tests[result.id])
    return runs
