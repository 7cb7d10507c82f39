"""Coverage three ways: what coverage.py recorded, what the syntax tree says there is, and what dies when it is sabotaged."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import coverage

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable, judge_edit_run
from gates.harness.null_mutants import draw_null_mutants
from gates.harness.tree_edits import StatementPlace, list_statements, sabotage_statement

_MAX_SABOTAGES = 400


def measure_coverage(subject: BlockUnderTest, deadline: float) -> dict[str, Any]:
    """Returns outcomes of every test, covered and counted statements, branches, and the fate of every sabotage."""
    honest, measured = subject.measure()
    places = list_statements(subject.tree)
    lines = {abs(line) for arc in _arcs(measured) for line in arc if line}
    executed = [place for place in places if lines.intersection(range(place.lines[0], place.lines[1] + 1))]
    reports = _standard_reports(subject, _arcs(measured))
    totals = json.loads(reports["coverage.json"])["totals"]
    inner = [place for place in places if place.function] or places
    return {
        "exit": honest["exit"],
        "tests": honest["tests"],
        "errors": [*honest["errors"], *measured["errors"]],
        "skipped_modules": honest["skipped_modules"],
        "second_run": {name: test["outcome"] for name, test in measured["tests"].items()},
        "statements": len(places),
        "executed": len(executed),
        "inner_statements": len(inner),
        "inner_executed": len([place for place in inner if place in executed]),
        "uncovered": _ranges([place for place in places if place not in executed]),
        "branches": totals["num_branches"],
        "branches_taken": totals["covered_branches"],
        "reports": reports,
        **_sabotaged(subject, inner, lines, deadline),
    }


def _arcs(measured: dict[str, Any]) -> list[tuple[int, int]]:
    arcs = measured.get("arcs")
    if not isinstance(arcs, list) or not all(
        isinstance(arc, list) and [type(end) for end in arc] == [int, int] for arc in arcs
    ):
        raise Unmeasurable("The coverage data are malformed.")
    return [(arc[0], arc[1]) for arc in arcs]


def _standard_reports(subject: BlockUnderTest, arcs: list[tuple[int, int]]) -> dict[str, str]:
    """coverage.py's own JSON and Cobertura reports, by our settings, from arcs that the child only listed."""
    cover = coverage.Coverage(data_file=None, config_file=False, branch=True, messages=False)
    for option in ("report:exclude_lines", "report:partial_branches"):
        cover.set_option(option, ["(?!)"])
    cover.get_data().add_arcs({subject.filename: arcs or []})
    cover.get_data().touch_file(subject.filename)
    with tempfile.TemporaryDirectory() as folder:
        json_file, xml_file = Path(folder) / "coverage.json", Path(folder) / "coverage.xml"
        cover.json_report(morfs=[subject.filename], outfile=str(json_file))
        cover.xml_report(morfs=[subject.filename], outfile=str(xml_file))
        return {"coverage.json": json_file.read_text(), "coverage.xml": xml_file.read_text()}


def _sabotaged(
    subject: BlockUnderTest, inner: list[StatementPlace], lines: set[int], deadline: float
) -> dict[str, Any]:
    """Raise before each statement in turn, null mutants in between in an order that no child can know."""
    draw = subject.draw("coverage")
    if len(inner) > _MAX_SABOTAGES:
        inner = draw.sample(inner, _MAX_SABOTAGES)
    edits = [
        sabotage_statement(place, "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9))) for place in inner
    ]
    nulls = draw_null_mutants(subject.tree, lines, draw, 10)
    plan = [*edits, *nulls]
    order = list(range(len(plan)))
    draw.shuffle(order)
    chosen = {index: subject.selection(plan[index]) for index in order}
    jobs = {
        index: {
            **subject.job(plan[index].compiled(subject.tree, subject.filename), chosen[index]),
            "id": index,
        }
        for index in order
        if chosen[index] != []
    }
    started = time.monotonic()
    runs = {ran.id: ran for ran in subject.pool.run(jobs.values(), deadline)}
    # Of a null mutant the clock alone must not say that it died: one died once fails the block.
    stalled = {
        index: jobs[index] for index, ran in runs.items() if ran.fate == "stalled" and index >= len(edits)
    }
    runs |= {ran.id: ran for ran in subject.pool.again(stalled, 4)}
    fates = {index: judge_edit_run(ran, chosen[index]) for index, ran in runs.items()}
    return {
        "sabotages": len(edits),
        "sabotages_killed": sum(fates.get(index, "Survived") != "Survived" for index in range(len(edits))),
        "sabotages_survived": _ranges(
            [place for index, place in enumerate(inner) if fates.get(index, "Survived") == "Survived"]
        ),
        "unrun": len(jobs) - len(runs),
        # Whether a machine with nothing else to do would have had the time.
        "feasible": subject.baseline * len(jobs) < (deadline - started) / subject.slack,
        "nulls": len(nulls),
        "nulls_killed": sum(
            fates.get(index, "Killed") != "Survived"
            for index in range(len(edits), len(plan))
            if chosen[index] != []
        ),
    }


def _ranges(places: list[StatementPlace]) -> list[list[int]]:
    """Lines as ``[first, last]``, neighbours joined."""
    ranges: list[list[int]] = []
    for first, last in sorted(place.lines for place in places):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1][1] = max(last, ranges[-1][1])
        else:
            ranges.append([first, last])
    return ranges
