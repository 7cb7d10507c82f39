"""What gates and reviewer found, as notes at lines.

The notes come from the evidence where there is some, otherwise from the findings.

Evidence comes from a sandbox in which hostile code ran. A report that does not have the shape of its format
is left out, not trusted.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from orchestrator.flows.models import GateResult
from orchestrator.web.components.code import Change, Coverage, Note

_DETECTED = {"Killed", "RuntimeError", "Timeout", "Ignored"}
_KINDS = {"uncovered": "uncovered", "sabotage-survived": "sabotage"}
# A scanner may report thousands of findings; the gate's card lists at most this many.
_SHOWN = 200


def parse_report(content: bytes | None) -> Any:
    """JSON, or nothing."""
    try:
        # ValueError covers broken JSON and bytes that are not UTF-8.
        return None if content is None else json.loads(content)
    except ValueError:
        return None


def _find_entry(report: Any, path: str) -> Mapping[str, Any]:
    """What a report of files says about ``path``, in any folder."""
    files = report.get("files") if isinstance(report, dict) else None
    if not isinstance(files, dict):
        return {}
    # Names in a report begin with a folder of the sandbox that is unknown here: only the last part counts.
    return next(
        (
            entry
            for name, entry in files.items()
            if name.rpartition("/")[2] == path and isinstance(entry, dict)
        ),
        {},
    )


def note_coverage(content: bytes | None, path: str) -> Coverage:
    """Lines hit, missed, and left with a branch not taken, from coverage.py's JSON."""
    entry = _find_entry(parse_report(content), path)
    part: dict[int, tuple[int, ...]] = {}
    for pair in entry.get("missing_branches") or ():
        # coverage.py writes a branch as [from, to]; a negative ``to`` is the exit of the function.
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, int) for n in pair):
            part[pair[0]] = (*part.get(pair[0], ()), pair[1])
    return Coverage(
        frozenset(_line_numbers(entry.get("executed_lines"))),
        frozenset(_line_numbers(entry.get("missing_lines"))),
        part,
    )


def _line_numbers(found: Any) -> Iterator[int]:
    return (line for line in (found if isinstance(found, list) else ()) if isinstance(line, int))


def note_branches(covered: Coverage) -> Iterator[Note]:
    """A note for each line whose branch no test takes."""
    for line, targets in sorted(covered.part.items()):
        where = ", ".join("the end of the function" if target < 0 else f"line {target}" for target in targets)
        yield Note("branch", line, "warning", "Branch not taken", f"No test goes from here to {where}.")


def note_mutants(content: bytes | None, path: str, text: str) -> Iterator[Note]:
    """Yield a note for each mutant that no test noticed, from Stryker's JSON.

    It has the lines as they were and as the mutant made them.
    """
    found = _find_entry(parse_report(content), path).get("mutants")
    for mutant in found if isinstance(found, list) else ():
        try:
            if mutant["status"] not in _DETECTED:
                yield _note_mutant(mutant, text.splitlines())
        # A mutant of the wrong shape is left out; the others are still worth showing.
        except (KeyError, TypeError, IndexError, AttributeError):
            continue


def _note_mutant(mutant: Mapping[str, Any], lines: list[str]) -> Note:
    start, end = mutant["location"]["start"], mutant["location"]["end"]
    first, last = int(start["line"]), int(end["line"])
    before = lines[first - 1 : last]
    # Columns are counted in bytes of UTF-8, as the syntax tree has them, from 1.
    head = before[0].encode()[: int(start["column"]) - 1].decode(errors="replace")
    tail = before[-1].encode()[int(end["column"]) - 1 :].decode(errors="replace")
    after = (head + str(mutant["replacement"]) + tail).splitlines()
    reached = mutant["status"] != "NoCoverage"
    said = "every test passed all the same" if reached else "no test reaches this line"
    change = Change(tuple(before), tuple(after))
    return Note(
        "mutant",
        first,
        "warning",
        "Mutant survived",
        f"{mutant.get('mutatorName', 'change')}: {said}.",
        last,
        change,
    )


def note_findings(rows: Iterable[GateResult], path: str, *, without: Iterable[str] = ()) -> Iterator[Note]:
    """Yield the findings of ``rows`` at lines of ``path``.

    ``without`` names gates whose evidence has already said the same.
    """
    skipped = set(without)
    for row in rows:
        for one in row.findings if row.gate not in skipped else ():
            # Without a line a finding is about the whole file; ``list_unplaced`` shows it.
            if one.get("path") == path and int(one.get("line") or 0) > 0:
                rule = str(one.get("rule") or "")
                kind = _KINDS.get(rule, "mutant" if rule.startswith("mutant-") else row.gate)
                title = {
                    "uncovered": "Not covered",
                    "sabotage": "Sabotage not detected",
                    "mutant": "Mutant survived",
                }.get(kind)
                yield Note(
                    kind,
                    int(one["line"]),
                    str(one.get("severity") or "error"),
                    title or f"{row.gate.capitalize()}{': ' + rule if rule and rule != row.gate else ''}",
                    str(one.get("message") or ""),
                    int(one.get("end_line") or 0),
                )


def list_unplaced(row: GateResult, paths: Container[str]) -> list[Mapping[str, Any]]:
    """Findings that no line of the files shown can take; they go into the gate's card."""
    return [one for one in row.findings if int(one.get("line") or 0) < 1 or one.get("path") not in paths][
        :_SHOWN
    ]
