"""The task ``coverage``, measured three ways.

What coverage.py recorded, what the syntax tree says there is, and what dies when it is sabotaged.
"""

import ast
import json
import tempfile
from pathlib import Path
from typing import Any

import coverage

from gates.harness.block_lines import find_place, show_sources
from gates.harness.block_under_test import BlockUnderTest
from gates.harness.decoys import draw_name
from gates.harness.edit_runs import run_edits
from gates.harness.tree_edits import (
    Edit,
    StatementPlace,
    list_statements,
    sabotage_parts,
    sabotage_statement,
)

_MAX_SABOTAGES = 400
_NULL_MUTANTS = 10
# Parts of lines that a run may leave out: more of them would cost more than they tell.
_MAX_PARTS, _MAX_SHOWN = 60, 80
# No comment of the block excludes anything: this pattern matches nothing.
_MATCH_NOTHING = "(?!)"


def measure_coverage(block: BlockUnderTest, deadline: float) -> dict[str, Any]:
    """Outcomes of every test, statements and branches that were reached, and the fate of every sabotage."""
    honest, measured = block.measure()
    places = list_statements(block.tree)
    # Negative line numbers in arcs are entries and exits of functions.
    lines = {abs(line) for arc in measured.arcs for line in arc if line}
    executed = [place for place in places if place.is_reached_by(lines)]
    reports = _write_standard_reports(block, measured.arcs)
    totals = json.loads(reports["coverage.json"])["totals"]
    # Code that runs on import is covered by importing; it counts only where there are no functions.
    inner = [place for place in places if place.function] or places
    # The second run fails like the first: said once is enough.
    errors = list(dict.fromkeys(honest.errors or measured.errors))
    return {
        "exit": honest.exit_code,
        "tests": {name: test.to_json(block.sources) for name, test in honest.tests.items()},
        "errors": [show_sources(text, block.sources) for text in errors],
        "skipped_modules": honest.skipped_modules,
        "second_run": {name: test.outcome for name, test in measured.tests.items()},
        "statements": len(places),
        "executed": len(executed),
        "inner_statements": len(inner),
        "inner_executed": len([place for place in inner if place in executed]),
        "uncovered": _join_ranges([place for place in places if place not in executed]),
        "branches": totals["num_branches"],
        "branches_taken": totals["covered_branches"],
        "reports": reports,
        **_measure_sabotage(block, inner, lines, deadline),
    }


def _write_standard_reports(block: BlockUnderTest, arcs: list[tuple[int, int]]) -> dict[str, str]:
    """coverage.py's own JSON and Cobertura reports, by our settings, from arcs that the child only listed."""
    cover = coverage.Coverage(data_file=None, config_file=False, branch=True, messages=False)
    for option in ("report:exclude_lines", "report:partial_branches"):
        cover.set_option(option, [_MATCH_NOTHING])
    # For as long as coverage.py reads them; no child is alive meanwhile.
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{name}.py" for name in block.sources]
        for file, text in zip(files, block.sources.values(), strict=True):
            Path(file).write_text(text, encoding="utf-8", newline="")
        cover.get_data().add_arcs(_sort_by_file(arcs, files))
        # Without this a module of which nothing ran is missing from the report.
        cover.get_data().touch_files(files)
        json_file, xml_file = Path(folder) / "coverage.json", Path(folder) / "coverage.xml"
        cover.json_report(morfs=files, outfile=str(json_file))
        cover.xml_report(morfs=files, outfile=str(xml_file))
        reports = {"coverage.json": json_file.read_text(), "coverage.xml": xml_file.read_text()}
    # The XML names the package by the dots of its folder; a block is the top of its own.
    package = folder.replace("/", ".")
    return {
        name: text.replace(folder, str(block.folder)).replace(package, ".") for name, text in reports.items()
    }


def _sort_by_file(arcs: list[tuple[int, int]], filenames: list[str]) -> dict[str, list[tuple[int, int]]]:
    """The jumps inside each file, with the lines that its readers know."""
    by_file: dict[str, list[tuple[int, int]]] = {filename: [] for filename in filenames}
    for start, end in arcs:
        (number, first), (other, last) = find_place(start), find_place(end)
        # The child may have written anything.
        if number == other < len(filenames):
            by_file[filenames[number]].append((first, last))
    return by_file


def _measure_sabotage(
    block: BlockUnderTest, inner: list[StatementPlace], lines: set[int], deadline: float
) -> dict[str, Any]:
    """Raise before each statement in turn, with null mutants in between, in an order that is drawn."""
    draw = block.secret_draw("coverage")
    if len(inner) > _MAX_SABOTAGES:
        inner = draw.sample(inner, _MAX_SABOTAGES)
    sabotages = [sabotage_statement(place, draw_name(draw)) for place in inner]
    parts = [edit for place in inner for edit in sabotage_parts(place)][:_MAX_PARTS]
    null_mutants = block.decoys.draw_null_mutants(lines, _NULL_MUTANTS, sabotages)
    started = block.pool.clock()
    runs = run_edits(block, [*sabotages, *parts], null_mutants, draw, deadline)
    # A sabotage that no test reaches was not run, and so survived.
    survived = [place for index, place in enumerate(inner) if not runs.is_killed(index)]
    unreached = [
        edit for index, edit in enumerate(parts, start=len(sabotages)) if runs.fate(index) == "Survived"
    ]
    return {
        "sabotages": len(sabotages),
        "sabotages_killed": len(sabotages) - len(survived),
        "sabotages_survived": _join_ranges(survived),
        "unreached_parts": [_describe_part(edit) for edit in unreached],
        "unrun": runs.unrun,
        "feasible": runs.is_feasible(block, deadline - started),
        "nulls": len(null_mutants),
        "nulls_killed": runs.null_mutants_killed,
    }


def _describe_part(edit: Edit) -> dict[str, Any]:
    """A part of a line that no test computes."""
    line = getattr(edit.old, "lineno", edit.first)
    return {"line": line, "source": ast.unparse(edit.old)[:_MAX_SHOWN]}


def _join_ranges(places: list[StatementPlace]) -> list[list[int]]:
    """Lines as ``[first, last]``, neighbours joined."""
    ranges: list[list[int]] = []
    for first, last in sorted(place.lines for place in places):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1][1] = max(last, ranges[-1][1])
        else:
            ranges.append([first, last])
    return ranges
