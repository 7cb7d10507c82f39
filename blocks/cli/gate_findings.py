"""What the gates found, with the source lines in question: the page of a flow, for a terminal."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from rich.console import Console
from rich.text import Text

from blocks.cli.candidate import find_round, map_rounds
from blocks.cli.progress import mark_status
from blocks.cli.remedy import find_remedy

_MAX_MUTANTS = 10
_MAX_FINDINGS = 40
_DETECTED = {"Killed", "Timeout"}
_RANGES = {"uncovered": "Not covered", "sabotage-survived": "Sabotage not detected"}
_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def _text_of(files: Mapping[str, Any], path: str) -> str:
    content = files.get(path, "")
    return content if isinstance(content, str) else ""


def print_findings(
    console: Console, flow: Mapping[str, Any], gates: Iterable[Mapping[str, Any]], files: Mapping[str, Any]
) -> None:
    """Every gate of every round: summary, cure, findings at their lines, surviving mutants as diffs.
    ``files``: the evidence.
    """
    seen = map_rounds(flow)
    for gate in gates:
        if gate["verdict"] == "passed" and not gate["findings"]:
            continue  # the table above has it already
        code_round = find_round(seen, gate)
        _print_gate(console, gate, str(flow["id"]), _collect_sources(files, f"implement-{code_round}/"))
        if gate["gate"] == "mutation":
            _print_mutants(console, _text_of(files, f"verify-{gate['round']}/mutation.json"))
        console.print()


def _collect_sources(files: Mapping[str, Any], folder: str) -> dict[str, str]:
    """Path to text of the files below ``folder``."""
    return {path.removeprefix(folder): _text_of(files, path) for path in files if path.startswith(folder)}


def _print_gate(console: Console, gate: Mapping[str, Any], flow_id: str, sources: Mapping[str, str]) -> None:
    console.print(
        Text.assemble(
            (f"{gate['gate']}, round {gate['round']}  ", "bold"),
            mark_status(gate["verdict"]),
            f"  {gate['summary']}",
        ),
        soft_wrap=True,
    )
    if gate["cure"]:
        console.print(Text.assemble(("  cure: ", "bold"), gate["cure"]), soft_wrap=True)
    if remedy := find_remedy(gate, flow_id):
        console.print(Text.assemble(("  fix: ", "bold"), remedy.describe()), soft_wrap=True)
    for title, ranges in _list_ranges(gate["findings"]):
        console.print(Text(f"  {title}: {ranges}"), soft_wrap=True)
    others = [one for one in gate["findings"] if one.get("rule") not in _RANGES and not _is_mutant(one)]
    for found in others[:_MAX_FINDINGS]:
        _print_finding(console, found, sources)
    if len(others) > _MAX_FINDINGS:
        console.print(Text(f"  and {len(others) - _MAX_FINDINGS} more: --json lists all", style="dim"))


def _is_mutant(found: Mapping[str, Any]) -> bool:
    return str(found.get("rule") or "").startswith("mutant-")


def _list_ranges(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    found = list(found)
    for rule, title in _RANGES.items():
        matching = [one for one in found if one.get("rule") == rule]
        if matching:
            # A block has one module, so all of them are in the same file.
            path = str(matching[0].get("path") or "")
            yield title, f"{path} {', '.join(map(_format_span, matching))}"


def _format_span(found: Mapping[str, Any]) -> str:
    first, last = int(found.get("line") or 0), int(found.get("end_line") or 0)
    return f"{first}-{last}" if last > first else str(first)


def _print_finding(console: Console, found: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    path, line = str(found.get("path") or ""), int(found.get("line") or 0)
    severity = str(found.get("severity") or "error")
    place = f"{path}:{line}" if line else path
    parts = (place, str(found.get("rule") or ""), str(found.get("message") or ""))
    words = "  ".join(filter(None, parts))
    console.print(Text.assemble((f"  {severity}  ", _STYLES.get(severity, "")), words), soft_wrap=True)
    # A finding may be about a file that the evidence does not hold.
    lines = sources.get(path, "").splitlines()
    if 0 < line <= len(lines):
        console.print(Text(f"    {line:>5} | {lines[line - 1]}", style="dim"), soft_wrap=True)


def _print_mutants(console: Console, report: str) -> None:
    found = list(_list_survivors(report))
    for path, line, name, before, after in _choose_mutants(found):
        console.print(Text(f"  {path}:{line}  {name}"), soft_wrap=True)
        for text in before:
            console.print(Text(f"    - {text}", style="red"), soft_wrap=True)
        for text in after:
            console.print(Text(f"    + {text}", style="green"), soft_wrap=True)
    if len(found) > _MAX_MUTANTS:
        console.print(
            Text(
                f"  and {len(found) - _MAX_MUTANTS} more survived: the page of the flow shows all",
                style="dim",
            )
        )


_Mutant = tuple[str, int, str, list[str], list[str]]


def _choose_mutants(found: list[_Mutant]) -> list[_Mutant]:
    """At most ten, from as many lines as possible."""
    # The first mutant of each line sorts before all others; the second sort puts those chosen back in
    # their order.
    firsts = {(path, line): (path, line, *rest) for path, line, *rest in reversed(found)}
    chosen = sorted(found, key=lambda one: (firsts[one[0], one[1]][2:] != one[2:], one[:2]))[:_MAX_MUTANTS]
    return sorted(chosen, key=lambda one: one[:2])


def _list_survivors(report: str) -> Iterator[_Mutant]:
    """The undetected mutants of a Stryker report: path, line, name, lines before and after; none of a
    malformed report.
    """
    # A gate that errored leaves no report, or a broken one; its summary above says so.
    try:
        files = json.loads(report)["files"].items() if report else ()
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    for path, entry in files:
        source = str(entry.get("source") or "").splitlines()
        for mutant in entry.get("mutants") or ():
            if mutant.get("status") in _DETECTED:
                continue
            start, end = mutant["location"]["start"], mutant["location"]["end"]
            before = source[start["line"] - 1 : end["line"]] or [""]
            # Columns count bytes of UTF-8 from 1.
            head = before[0].encode()[: start["column"] - 1].decode(errors="replace")
            tail = before[-1].encode()[end["column"] - 1 :].decode(errors="replace")
            after = (head + str(mutant.get("replacement", "")) + tail).splitlines()
            yield path, start["line"], str(mutant.get("mutatorName", "")), before, after


def describe_changes(files: Mapping[str, Any]) -> list[str]:
    """A line for each repair round: which files it changed, and by how many lines."""
    by_round: dict[int, dict[str, str]] = {}
    for path in files:
        # Evidence is in folders such as `implement-2/`.
        head, _, name = path.partition("/")
        kind, _, number = head.rpartition("-")
        if kind == "implement" and number.isdigit():
            by_round.setdefault(int(number), {})[name] = _text_of(files, path)
    numbers = sorted(by_round)
    return [
        f"round {new}: {_describe_change(by_round[old], by_round[new])}" for old, new in pairwise(numbers)
    ]


def _describe_change(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    parts = []
    for name, text in new.items():
        before, after = old.get(name, "").splitlines(), text.splitlines()
        if before != after:
            plus, minus = _count_lines(before, after)
            parts.append(f"{name} +{plus} -{minus}")
    return ", ".join(parts) or "changed nothing"


def _count_lines(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many lines were added, and how many removed."""
    added = removed = 0
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if tag != "equal":
            removed += old_end - old_start
            added += new_end - new_start
    return added, removed
