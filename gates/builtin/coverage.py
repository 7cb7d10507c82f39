"""The coverage gate: the tests pass, assert, and reach what they claim to reach."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from gates.assertions import find_tests_without_assertion
from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.errors import HarnessFailed
from gates.evidence import format_junit
from gates.harness.task import HarnessRequest
from gates.harness_job import run_harness
from gates.measurements import CoverageMeasurement, LineRange, parse_coverage
from gates.sandbox.layout import SOURCE
from gates.score import compute_percentage

_CURE_TESTS = (
    "Make every test pass; delete skips and expected failures; let each test assert something, then retry."
)
_CURE_COVER = "Add tests that reach the lines listed and assert their results, then retry."
_UNSTABLE_TESTS = "tests fail where nothing changed: they are flaky, depend on order, or inspect code"
_MAX_BRANCHES = 20
_BLOCK_FOLDER = f"{SOURCE}/block"

Findings = tuple[Finding, ...]


class CoverageGate:
    """Line, branch and sabotage coverage, all by our own counts."""

    name = "coverage"

    def plan_request(self, candidate: Candidate) -> HarnessRequest:  # noqa: ARG002 - as the runner calls it
        """What the harness will be asked for."""
        return HarnessRequest(self.name)

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        measured = parse_coverage(run_harness(candidate, policy, "coverage"))
        # A quiet machine would have had the time, so this says nothing about the block.
        if measured.unrun and measured.feasible:
            message = f"{measured.unrun} sabotages could not be run in time: the machine was busy"
            raise HarnessFailed(message)
        broken = _find_broken_tests(candidate, measured) + _find_lazy_tests(candidate)
        # A test that simply fails also fails under null mutants: said beside it, that would mislead.
        unstable = () if broken else _find_unstable_tests(measured)
        uncovered = _find_uncovered_lines(candidate, measured)
        shares = _compute_shares(measured)
        # The lowest of the three counts: each alone can be reached without testing anything.
        score = min(shares.values())
        floor = max(policy.min_unit_coverage, Decimal(0))
        passed = not broken and not unstable and score >= floor
        details = {key: str(share) for key, share in shares.items()}
        return GateReport(
            gate=self.name,
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            summary=_summarize(measured, shares, broken, unstable),
            score=score,
            threshold=policy.min_unit_coverage,
            findings=(*broken, *unstable, *uncovered),
            evidence=_collect_evidence(candidate, measured),
            details={**details, "tests": len(measured.tests), "statements": measured.statements},
            feedback="" if passed else _compose_feedback(measured, (*broken, *unstable), uncovered),
            cure="" if passed else _choose_cure(broken, unstable),
        )


def _choose_cure(broken: Findings, unstable: Findings) -> str:
    return _CURE_TESTS if broken or unstable else _CURE_COVER


def _collect_evidence(candidate: Candidate, measured: CoverageMeasurement) -> dict[str, bytes]:
    sabotage = {
        "sabotages": measured.sabotages,
        "sabotages_killed": measured.sabotages_killed,
        "sabotages_survived": [_locate(candidate, lines) for lines in measured.sabotages_survived],
    }
    return {
        "junit.xml": format_junit(candidate.name, measured.tests),
        "coverage.json": _make_relative(measured.json_report),
        "coverage.xml": _make_relative(measured.xml_report),
        "sabotage.json": json.dumps(sabotage).encode(),
    }


def _locate(candidate: Candidate, lines: LineRange) -> list[Any]:
    """First and last line, and the file where that is a private module."""
    path, first = candidate.locate(lines.first)
    _, last = candidate.locate(lines.last)
    return [first, last] if path == candidate.module_path else [first, last, path]


def _make_relative(report: str) -> bytes:
    """coverage.py writes the sandbox's paths; readers know the block's folder only."""
    return report.replace(f"{_BLOCK_FOLDER}/", "").replace(_BLOCK_FOLDER, ".").encode()


def _compute_shares(measured: CoverageMeasurement) -> dict[str, Decimal]:
    reached = measured.executed + measured.branches_taken
    whole = measured.statements + measured.branches
    return {
        "lines_and_branches": compute_percentage(reached, whole) if measured.statements else Decimal(0),
        "statements_in_functions": compute_percentage(measured.inner_executed, measured.inner_statements),
        "sabotage": compute_percentage(measured.sabotages_killed, measured.sabotages),
    }


def _find_lazy_tests(candidate: Candidate) -> Findings:
    return tuple(
        Finding(
            "no-assertion",
            f"{name} asserts nothing; of a call that must only not raise, assert what it returns, as in "
            "`assert check(value) is None`",
            path=candidate.tests_path,
            line=line,
        )
        for name, line in find_tests_without_assertion(candidate.tests)
    )


def _find_broken_tests(candidate: Candidate, measured: CoverageMeasurement) -> Findings:
    path = candidate.tests_path
    found = [Finding("collection", text[-300:], path=path) for text in measured.errors[:3]]
    if not measured.tests:
        found.append(Finding("no-tests", "no test ran", path=path))
    # A module that skips itself has no tests, and pytest calls that a success.
    if measured.skipped_modules:
        found.append(Finding("skipped", "the test module skips itself", path=path))
    for name, test in measured.tests.items():
        if test.outcome != "passed":
            found.append(Finding(f"test-{test.outcome}", f"{name}: {test.outcome}", path=path))
    # The two below explain nothing once a cause is known.
    if not found and measured.exit_code != 0:
        found.append(Finding("exit", f"pytest ended with {measured.exit_code}", path=path))
    first_run = {name: test.outcome for name, test in measured.tests.items()}
    if not found and first_run != measured.second_run:
        message = "a second run of the same tests, by another caller, ended otherwise"
        found.append(Finding("flaky", message, path=path))
    return tuple(found)


def _find_unstable_tests(measured: CoverageMeasurement) -> Findings:
    if measured.null_mutants_killed:
        return (Finding("unstable-tests", _UNSTABLE_TESTS),)
    return ()


def _find_uncovered_lines(candidate: Candidate, measured: CoverageMeasurement) -> Findings:
    def finding(rule: str, message: str, lines: LineRange) -> Finding:
        path, first = candidate.locate(lines.first)
        _, last = candidate.locate(lines.last)
        return Finding(rule, message, "warning", path, first, last)

    missed = [finding("uncovered", "no test runs these lines", lines) for lines in measured.uncovered]
    # Lines that no test runs survive their sabotage too: said once is enough.
    silent = [lines for lines in measured.sabotages_survived if lines not in measured.uncovered]
    message = "no test notices when these lines raise"
    unproven = [finding("sabotage-survived", message, lines) for lines in silent]
    return (
        *missed,
        *unproven,
        *_find_untaken_branches(candidate, measured),
        *_find_unreached_parts(candidate, measured),
    )


def _find_unreached_parts(candidate: Candidate, measured: CoverageMeasurement) -> Iterator[Finding]:
    """For the reviewer: what a line does only in a case that no test has."""
    for part in measured.unreached_parts:
        path, line = candidate.locate(part.line)
        message = f"no test gets to `{part.source}`"
        yield Finding("unreached-part", message, "note", path, line, line)


def _find_untaken_branches(candidate: Candidate, measured: CoverageMeasurement) -> Iterator[Finding]:
    """Jumps that no test takes, by coverage.py's report. It was written beside hostile code, so it may lie:
    then a note is missing, or names another line.
    """
    try:
        files = json.loads(measured.json_report)["files"]
        missing = {Path(name).name: facts["missing_branches"] for name, facts in files.items()}
        for path in candidate.modules:
            for start, end in missing.get(path, [])[:_MAX_BRANCHES]:
                target = f"line {int(end)}" if int(end) > 0 else "the end of the function"
                message = f"no test takes the branch to {target}"
                yield Finding("untaken-branch", message, "note", path, int(start), int(start))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _summarize(
    measured: CoverageMeasurement, shares: dict[str, Decimal], broken: Findings, unstable: Findings
) -> str:
    if broken:
        return f"{len(broken)} problems with the tests; first: {broken[0].message}"[:300]
    reached, proven = shares["lines_and_branches"], shares["sabotage"]
    text = f"{reached} % of lines and branches, {proven} % under sabotage, {len(measured.tests)} tests"
    return f"{unstable[0].message}; {text}" if unstable else text


def _compose_feedback(measured: CoverageMeasurement, objections: Findings, uncovered: Findings) -> str:
    lines = [f"- {finding.message}" for finding in objections][:20]
    failing = [(name, test.text) for name, test in measured.tests.items() if test.text]
    lines += [f"{name}:\n{text[-1200:]}" for name, text in failing[:3]]
    for finding in uncovered[:20]:
        lines.append(f"- {finding.path} lines {finding.line}-{finding.end_line}: {finding.message}")
    return "\n".join(lines)


gate = CoverageGate()
