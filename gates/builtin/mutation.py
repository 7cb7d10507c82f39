"""The mutation gate: tests that notice when the code is changed, and notice nothing when it is not."""

from collections import Counter
from decimal import Decimal
from typing import Any

from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.evidence import format_stryker
from gates.harness_job import HarnessFailed, run_harness

MINIMUM_MUTANTS, MINIMUM_NULLS, HOLLOW = 20, 10, 5
_CURE = "Add tests that assert exact results at the lines of the surviving mutants, then retry."
_CURE_SMALL = "Give the block logic that can be tested; constants and pass-through code prove nothing."
_DETECTED = ("Killed", "Timeout")


class MutationGate:
    """Kill rate over every mutant, with null mutants as the control."""

    name = "mutation"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        measured = run_harness(candidate, policy, "mutation")
        if measured["unrun"] and measured["feasible"]:
            raise HarnessFailed(f"{measured['unrun']} mutants could not be run in time: the machine was busy")
        mutants = measured["mutants"]
        counts = Counter(mutant["status"] for mutant in mutants)
        killed = sum(counts[status] for status in _DETECTED)
        score = (Decimal(100) * killed / len(mutants)).quantize(Decimal("0.01")) if mutants else Decimal(0)
        objections = _objections(candidate, measured, mutants)
        passed = not objections and score >= policy.min_mutation_kill_rate
        survivors = [mutant for mutant in mutants if mutant["status"] not in _DETECTED]
        summary = f"{killed} of {len(mutants)} mutants detected ({counts['Timeout']} by timeout), {score} %"
        return GateReport(
            gate=self.name,
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            summary="; ".join([*(objection.message for objection in objections), summary]),
            score=score,
            threshold=policy.min_mutation_kill_rate,
            findings=(*objections, *(_finding(candidate, mutant) for mutant in survivors)),
            evidence={
                "mutation.json": format_stryker(f"{candidate.name}.py", candidate.module, mutants, policy)
            },
            details={
                "mutants": len(mutants),
                "null_mutants": measured["nulls"],
                "null_mutants_killed": measured["nulls_killed"],
                **counts,
            },
            feedback="" if passed else _feedback(objections, survivors),
            cure="" if passed else (_CURE_SMALL if len(mutants) < MINIMUM_MUTANTS else _CURE),
        )


def _objections(
    candidate: Candidate, measured: dict[str, Any], mutants: list[dict[str, Any]]
) -> tuple[Finding, ...]:
    """What fails a block whatever its kill rate."""
    path = f"{candidate.name}.py"
    found = []
    if len(mutants) < MINIMUM_MUTANTS:
        found.append(
            Finding(
                "too-small",
                f"only {len(mutants)} changes can be made to this code, {MINIMUM_MUTANTS} are needed to judge it",
                path=path,
            )
        )
    elif measured["nulls"] < MINIMUM_NULLS or measured["nulls_run"] < min(MINIMUM_NULLS, measured["nulls"]):
        found.append(
            Finding(
                "no-control",
                "too little of the code is tested to tell real kills from pretended ones",
                path=path,
            )
        )
    if measured["nulls_killed"]:
        message = "tests fail where nothing changed: they are flaky, depend on order, or inspect code"
        found.append(Finding("unstable-tests", message, path=f"test_{path}"))
    if measured["unrun"]:
        message = f"{measured['unrun']} mutants could not be run in time, so slow are the tests"
        found.append(Finding("out-of-time", message, path=f"test_{path}"))
    return (*found, *_hollow(path, mutants))


def _hollow(path: str, mutants: list[dict[str, Any]]) -> tuple[Finding, ...]:
    """Functions about which no test ever asserts anything: others, well tested, must not make up for them."""
    total = Counter(mutant["function"] for mutant in mutants if mutant["function"])
    noticed = Counter(mutant["function"] for mutant in mutants if mutant["function"] and mutant["asserted"])
    hollow = [name for name, count in total.items() if count >= HOLLOW and not noticed[name]]
    return tuple(
        Finding("hollow", f"no assertion of any test notices a change inside {name}", path=path)
        for name in hollow
    )


def _finding(candidate: Candidate, mutant: dict[str, Any]) -> Finding:
    change = f"{mutant['original'][:120]} -> {mutant['replacement'][:120]}"
    message = f"{'not reached by any test' if mutant['status'] == 'NoCoverage' else 'survived'}: {change}"
    return Finding(
        f"mutant-{mutant['operator']}",
        message,
        "warning",
        f"{candidate.name}.py",
        mutant["line"],
        mutant["end_line"],
    )


def _feedback(objections: tuple[Finding, ...], survivors: list[dict[str, Any]]) -> str:
    lines = [f"- {objection.message}" for objection in objections]
    lines += [
        f"- line {mutant['line']}: `{mutant['original'][:160]}` became `{mutant['replacement'][:160]}` and every test passed"
        for mutant in _spread(survivors)
    ]
    return "\n".join(lines)


def _spread(survivors: list[dict[str, Any]], count: int = 10) -> list[dict[str, Any]]:
    """Up to ``count`` survivors, from as many functions and lines as there are."""
    ranks: Counter[str] = Counter()
    ranked = []
    for mutant in survivors:
        ranked.append((ranks[mutant["function"]], mutant["line"], mutant))
        ranks[mutant["function"]] += 1
    return [mutant for _, _, mutant in sorted(ranked, key=lambda item: item[:2])[:count]]
