"""The task ``mutation``: a fork per mutant, only the tests that reach it, null mutants in between."""

import random
import time
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.edit_runs import EditRuns, run_edits
from gates.harness.mutants import list_mutants
from gates.harness.null_mutants import draw_null_mutants
from gates.harness.tree_edits import Edit

# Below twice the first, second choices are added; over the second, a draw is taken.
MINIMUM, MAXIMUM = 20, 500


def measure_mutation(block: BlockUnderTest, deadline: float) -> dict[str, Any]:
    """Every mutant's place, change, status and tests; the null mutants, and how many of them died."""
    honest, _ = block.measure()
    # Tests that fail anyway would kill every mutant.
    if not honest.all_passed:
        raise Unmeasurable("The tests do not pass on the unchanged code, so they cannot judge a changed one.")
    draw = block.seeded_draw("mutation")
    mutants = _compile_distinct(block, _choose_mutants(block, draw))
    reached_lines = set(block.tests_by_line)
    null_mutants = _compile_distinct(block, draw_null_mutants(block.tree, reached_lines, draw))
    started = time.monotonic()
    runs = run_edits(block, [*mutants, *null_mutants], len(mutants), draw, deadline)
    return {
        "mutants": [_describe_mutant(edit, index, runs) for index, (edit, _) in enumerate(mutants)],
        "nulls": len(null_mutants),
        "nulls_killed": runs.null_mutants_killed,
        "nulls_run": runs.null_mutants_run,
        "unrun": runs.unrun,
        "feasible": runs.is_feasible(block, deadline - started),
    }


def _choose_mutants(block: BlockUnderTest, draw: random.Random) -> list[Edit]:
    """All mutants; the extended set where there are too few, a fair draw where there are too many."""
    edits = list_mutants(block.tree)
    if len(edits) < MINIMUM * 2:
        edits = list_mutants(block.tree, extended=True)
    return draw.sample(edits, MAXIMUM) if len(edits) > MAXIMUM else edits


def _compile_distinct(block: BlockUnderTest, edits: list[Edit]) -> list[tuple[Edit, bytes]]:
    """Compile each edit once; drop those that do not compile, change nothing, or repeat another."""
    seen = {block.code}
    kept = []
    for edit in edits:
        try:
            code = edit.compile(block.tree, block.filename)
        # For example a `continue` outside of a loop, or a number that has become a pattern.
        except (SyntaxError, ValueError, TypeError):
            continue
        if code not in seen:
            seen.add(code)
            kept.append((edit, code))
    return kept


def _describe_mutant(edit: Edit, index: int, runs: EditRuns) -> dict[str, Any]:
    original, replacement = edit.describe()
    # An operator has no place of its own; the statement's lines stand for it.
    node = edit.old
    return {
        "operator": edit.operator,
        "line": getattr(node, "lineno", edit.first),
        "column": getattr(node, "col_offset", 0),
        "end_line": getattr(node, "end_lineno", edit.last) or edit.last,
        "end_column": getattr(node, "end_col_offset", 0) or 0,
        "function": edit.function,
        "original": original,
        "replacement": replacement,
        "status": runs.fate(index),
        "covered_by": runs.tests[index],
        "asserted": index in runs.asserted,
    }
