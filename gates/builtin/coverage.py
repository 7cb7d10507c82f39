"""The coverage gate: the tests pass, assert, and reach what they claim to reach."""

import json
from decimal import Decimal
from typing import Any

from gates.assertions import find_tests_without_assertion
from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.evidence import format_junit
from gates.harness_job import HarnessFailed, run_harness

_CURE_TESTS = (
    "Make every test pass; delete skips and expected failures; let each test assert something, then retry."
)
_CURE_COVER = "Add tests that reach the lines listed and assert their results, then retry."


class CoverageGate:
    """Line, branch and sabotage coverage, all by our own counts."""

    name = "coverage"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        measured = run_harness(candidate, policy, "coverage")
        if measured["unrun"] and measured["feasible"]:
            raise HarnessFailed(
                f"{measured['unrun']} sabotages could not be run in time: the machine was busy"
            )
        lazy = tuple(
            Finding("no-assertion", f"{name} asserts nothing", path=f"test_{candidate.name}.py", line=line)
            for name, line in find_tests_without_assertion(candidate.tests)
        )
        broken = _broken_tests(candidate, measured) + lazy
        shares = _shares(measured)
        score = min(shares.values())
        floor = max(policy.min_unit_coverage, Decimal(0))
        gaming = _gaming(measured)
        uncovered = _uncovered(candidate, measured)
        passed = not broken and not gaming and score >= floor
        return GateReport(
            gate=self.name,
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            summary=_summary(measured, shares, broken, gaming),
            score=score,
            threshold=policy.min_unit_coverage,
            findings=(*broken, *gaming, *uncovered),
            evidence={
                "junit.xml": format_junit(candidate.name, measured["tests"]),
                "coverage.json": _relative(measured["reports"]["coverage.json"]),
                "coverage.xml": _relative(measured["reports"]["coverage.xml"]),
                "sabotage.json": json.dumps(
                    {key: measured[key] for key in measured if key.startswith("sabotage")}
                ).encode(),
            },
            details={
                **{key: str(share) for key, share in shares.items()},
                "tests": len(measured["tests"]),
                "statements": measured["statements"],
            },
            feedback="" if passed else _feedback(measured, broken, gaming, uncovered),
            cure="" if passed else (_CURE_TESTS if broken or gaming else _CURE_COVER),
        )


def _relative(text: str) -> bytes:
    return text.replace("/work/src/block/", "").replace("/work/src/block", ".").encode()


def percent(part: int, whole: int) -> Decimal:
    """``part`` of ``whole`` in percent, two places; of nothing it is 100."""
    return (Decimal(100) * part / whole).quantize(Decimal("0.01")) if whole else Decimal(100)


def _shares(measured: dict[str, Any]) -> dict[str, Decimal]:
    both = measured["executed"] + measured["branches_taken"], measured["statements"] + measured["branches"]
    return {
        "lines_and_branches": percent(*both) if measured["statements"] else Decimal(0),
        "statements_in_functions": percent(measured["inner_executed"], measured["inner_statements"]),
        "sabotage": percent(measured["sabotages_killed"], measured["sabotages"]),
    }


def _broken_tests(candidate: Candidate, measured: dict[str, Any]) -> tuple[Finding, ...]:
    path = f"test_{candidate.name}.py"
    found = [Finding("collection", text[-300:], path=path) for text in measured["errors"][:3]]
    if not measured["tests"]:
        found.append(Finding("no-tests", "no test ran", path=path))
    if measured["skipped_modules"]:
        found.append(Finding("skipped", "the test module skips itself", path=path))
    for name, test in measured["tests"].items():
        if test["outcome"] != "passed":
            found.append(Finding(f"test-{test['outcome']}", f"{name}: {test['outcome']}", path=path))
    if not found and measured["exit"] != 0:
        found.append(Finding("exit", f"pytest ended with {measured['exit']}", path=path))
    again = {name: test["outcome"] for name, test in measured["tests"].items()}
    if not found and again != measured["second_run"]:
        found.append(Finding("flaky", "a second run of the same tests ended otherwise", path=path))
    return tuple(found)


def _gaming(measured: dict[str, Any]) -> tuple[Finding, ...]:
    if measured["nulls_killed"]:
        return (
            Finding(
                "unstable-tests",
                "tests fail where nothing changed: they are flaky, depend on order, or inspect code",
            ),
        )
    return ()


def _uncovered(candidate: Candidate, measured: dict[str, Any]) -> tuple[Finding, ...]:
    path = f"{candidate.name}.py"
    missed = [
        Finding("uncovered", "no test runs these lines", "warning", path, first, last)
        for first, last in measured["uncovered"]
    ]
    known = {tuple(span) for span in measured["uncovered"]}
    silent = [span for span in measured["sabotages_survived"] if tuple(span) not in known]
    unproven = [
        Finding("sabotage-survived", "no test notices when these lines raise", "warning", path, *span)
        for span in silent
    ]
    return (*missed, *unproven)


def _summary(
    measured: dict[str, Any],
    shares: dict[str, Decimal],
    broken: tuple[Finding, ...],
    gaming: tuple[Finding, ...],
) -> str:
    if broken:
        return f"{len(broken)} problems with the tests; first: {broken[0].message}"[:300]
    reached, proven = shares["lines_and_branches"], shares["sabotage"]
    text = f"{reached} % of lines and branches, {proven} % under sabotage, {len(measured['tests'])} tests"
    return f"{gaming[0].message}; {text}" if gaming else text


def _feedback(
    measured: dict[str, Any],
    broken: tuple[Finding, ...],
    gaming: tuple[Finding, ...],
    uncovered: tuple[Finding, ...],
) -> str:
    lines = [f"- {finding.message}" for finding in (*broken, *gaming)][:20]
    failing = [(name, test["text"]) for name, test in measured["tests"].items() if test["text"]]
    lines += [f"{name}:\n{text[-1200:]}" for name, text in failing[:3]]
    lines += [
        f"- {finding.path} lines {finding.line}-{finding.end_line}: {finding.message}"
        for finding in uncovered[:20]
    ]
    return "\n".join(lines)
