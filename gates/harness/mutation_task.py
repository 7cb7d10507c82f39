"""The mutation engine: a fork per mutant, only the tests that reach it, null mutants in between."""

import random
import time
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable, failed_by_assertion, judge_edit_run
from gates.harness.mutants import list_mutants
from gates.harness.null_mutants import draw_null_mutants
from gates.harness.tree_edits import Edit

MINIMUM, MAXIMUM = 20, 500


def measure_mutation(subject: BlockUnderTest, deadline: float) -> dict[str, Any]:
    """Returns every mutant's place, change, status and killers, the number of null mutants and how many of them died."""
    honest, _ = subject.measure()
    if (
        honest["exit"] != 0
        or not honest["tests"]
        or {test["outcome"] for test in honest["tests"].values()} != {"passed"}
    ):
        raise Unmeasurable("The tests do not pass on the unchanged code, so they cannot judge a changed one.")
    draw = subject.draw("mutation")
    edits = _compilable(subject, _chosen(subject, draw))
    nulls = [
        (edit, code)
        for edit, code in _compilable(subject, draw_null_mutants(subject.tree, set(subject.by_line), draw))
    ]
    plan = [*edits, *nulls]
    order = list(range(len(plan)))
    draw.shuffle(order)
    tests = {index: subject.selection(plan[index][0]) for index in order}
    jobs = {
        index: {**subject.job(plan[index][1], tests[index]), "id": index}
        for index in order
        if tests[index] != []
    }
    fates: dict[int, str] = {}
    asserted: set[int] = set()
    started = time.monotonic()
    stalled: dict[int, dict[str, Any]] = {}
    for ran in subject.pool.run(jobs.values(), deadline):
        fates[ran.id] = judge_edit_run(ran, tests[ran.id])
        # Of a null mutant the clock alone must not say that it died: one died once fails the block.
        if ran.fate == "stalled" and ran.id >= len(edits):
            stalled[ran.id] = jobs[ran.id]
        if failed_by_assertion(ran):
            asserted.add(ran.id)
    fates |= {ran.id: judge_edit_run(ran, tests[ran.id]) for ran in subject.pool.again(stalled, 4)}
    unrun = sum(tests[index] != [] and index not in fates for index in range(len(plan)))
    return {
        "mutants": [
            {**_described(edits[index][0], index, fates, tests), "asserted": index in asserted}
            for index in range(len(edits))
        ],
        "nulls": len(nulls),
        "nulls_killed": sum(
            fates.get(index, "Killed") != "Survived"
            for index in range(len(edits), len(plan))
            if tests[index] != []
        ),
        "nulls_run": sum(tests[index] != [] for index in range(len(edits), len(plan))),
        "unrun": unrun,
        # Whether a machine with nothing else to do would have had the time.
        "feasible": subject.baseline * len(jobs) < (deadline - started) / subject.slack,
        "tests": honest["tests"],
        "seconds": time.monotonic() - started,
    }


def _chosen(subject: BlockUnderTest, draw: random.Random) -> list[Edit]:
    """All mutants; the extended set where there are too few, a fair draw where there are too many."""
    edits = list_mutants(subject.tree)
    if len(edits) < MINIMUM * 2:
        edits = list_mutants(subject.tree, extended=True)
    return draw.sample(edits, MAXIMUM) if len(edits) > MAXIMUM else edits


def _compilable(subject: BlockUnderTest, edits: list[Edit]) -> list[tuple[Edit, bytes]]:
    """Compile each edit once; drop those that do not compile, change nothing, or repeat another."""
    seen = {subject.code}
    kept = []
    for edit in edits:
        try:
            code = edit.compiled(subject.tree, subject.filename)
        except (SyntaxError, ValueError, TypeError):
            continue
        if code not in seen:
            seen.add(code)
            kept.append((edit, code))
    return kept


def _described(
    edit: Edit, index: int, fates: dict[int, str], tests: dict[int, list[str] | None]
) -> dict[str, Any]:
    old, new = edit.texts()
    node = edit.old
    return {
        "operator": edit.operator,
        "line": getattr(node, "lineno", edit.first),
        "column": getattr(node, "col_offset", 0),
        "end_line": getattr(node, "end_lineno", edit.last) or edit.last,
        "end_column": getattr(node, "end_col_offset", 0) or 0,
        "function": edit.function,
        "original": old,
        "replacement": new,
        "status": "NoCoverage" if tests[index] == [] else fates.get(index, "Pending"),
        "covered_by": tests[index],
    }
