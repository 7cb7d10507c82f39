"""The task ``mutation``: a fork per mutant, only the tests that reach it, null mutants in between."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.drawn_calls import CallDifference, DrawnCalls
from gates.harness.edit_runs import EditRuns, run_edits
from gates.harness.stand_ins import list_stand_ins
from gates.harness.tree_edits import Edit

# Below the first, changes are combined in pairs and every one counts; over the second, a draw is taken.
MINIMUM, MAXIMUM = 20, 500
# All pairs of 19 changes are fewer.
_MAX_PAIRS = 180
_NULL_MUTANTS, _NULL_MUTANTS_AMONG_PAIRS = 12, 4
# So many survivors are compared with the original; the others would not be read by anybody.
_MAX_COMPARED = 60
# A function of which assertions notice no more than this share may be one whose changes change nothing.
_DOUBTFUL_SHARE = 0.6
_MISSED = ("Survived", "NoCoverage")


def measure_mutation(
    block: BlockUnderTest, entrypoints: Sequence[dict[str, Any]], deadline: float
) -> dict[str, Any]:
    """Every mutant's place, change, status and tests; the null mutants, and how many of them died."""
    honest, _ = block.measure()
    # Tests that fail anyway would kill every mutant.
    if not honest.all_passed:
        raise Unmeasurable("The tests do not pass on the unchanged code, so they cannot judge a changed one.")
    draw = block.secret_draw("mutation")
    singles = block.mutants
    small = len(singles) < MINIMUM
    if len(singles) > MAXIMUM:
        singles = draw.sample(singles, MAXIMUM)
    stand_ins = list_stand_ins(block.tree, [entry["call"] for entry in entrypoints])
    started = block.pool.clock()
    runs = _run_all(block, [*stand_ins, *singles], _NULL_MUTANTS, draw, deadline, stand_ins)
    mutants = singles
    if small:
        # With a change that never ends, a second one would not end either.
        fates = map(runs.fate, range(len(stand_ins), runs.real))
        ended = [edit for edit, fate in zip(singles, fates, strict=True) if fate != "Timeout"]
        pairs = _combine_pairs(block, ended, singles)
        # Null mutants among these, too: a run must not tell by its moment what it is.
        runs = runs.joined(_run_all(block, pairs, _NULL_MUTANTS_AMONG_PAIRS, draw, deadline))
        mutants = [*singles, *pairs]
    real = [*stand_ins, *mutants]
    calls = DrawnCalls(block, entrypoints, deadline)
    compared = _choose_compared(real, runs, small=small)
    differences = calls.compare({index: real[index] for index in compared})
    described = []
    for index, edit in enumerate(real):
        described.append(_describe_mutant(block, edit, index, runs, differences.get(index)))
    return {
        "mutants": described[len(stand_ins) :],
        "stand_ins": described[: len(stand_ins)],
        "small": small,
        "nulls": runs.null_mutants,
        "nulls_killed": runs.null_mutants_killed,
        "nulls_run": runs.null_mutants_run,
        "unrun": runs.unrun,
        "feasible": runs.is_feasible(block, deadline - started),
    }


def _run_all(
    block: BlockUnderTest,
    edits: Sequence[Edit],
    nulls: int,
    draw: random.Random,
    deadline: float,
    like: Sequence[Edit] = (),
) -> EditRuns:
    null_mutants = block.decoys.draw_null_mutants(set(block.tests_by_line), nulls, like)
    return run_edits(block, edits, null_mutants, draw, deadline)


def _combine_pairs(block: BlockUnderTest, edits: Sequence[Edit], known: Sequence[Edit]) -> list[Edit]:
    """Every two of ``edits`` at once, where that is another change than any of ``known``."""
    pairs = [replace(first, operator="two-changes", also=second) for first, second in combinations(edits, 2)]
    return block.drop_repeated(pairs, known=known)[:_MAX_PAIRS]


def _choose_compared(mutants: Sequence[Edit], runs: EditRuns, *, small: bool) -> list[int]:
    """Survivors of which it matters whether they change anything that a caller sees."""
    by_function: dict[str, list[int]] = {}
    for index, edit in enumerate(mutants):
        by_function.setdefault(edit.function, []).append(index)
    found = []
    for indexes in by_function.values():
        survived = [index for index in indexes if runs.fate(index) in _MISSED]
        killed = sum(runs.fate(index) == "Killed" for index in indexes)
        is_stand_in = any(mutants[index].operator == "stand-in" for index in survived)
        if small or is_stand_in or killed <= _DOUBTFUL_SHARE * (killed + len(survived)):
            found += survived
    return found[:_MAX_COMPARED]


def _describe_mutant(
    block: BlockUnderTest, edit: Edit, index: int, runs: EditRuns, difference: CallDifference | None
) -> dict[str, Any]:
    original, replacement = edit.describe()
    # An operator has no place of its own; the statement's lines stand for it.
    node = edit.old
    status = runs.fate(index)
    # Inputs reach the change, and no call ends otherwise: no test could notice it.
    if difference and difference.is_equivalent:
        status = "Ignored"
    return {
        "operator": edit.operator,
        "line": getattr(node, "lineno", edit.first),
        "column": getattr(node, "col_offset", 0),
        "end_line": getattr(node, "end_lineno", edit.last) or edit.last,
        "end_column": getattr(node, "end_col_offset", 0) or 0,
        "function": block.name_function(edit.function),
        "original": original,
        "replacement": replacement,
        "status": status,
        "covered_by": runs.tests[index],
        "compared": difference.compared if difference else 0,
        "differing": difference.differing if difference else 0,
        "example": difference.example if difference else "",
    }
