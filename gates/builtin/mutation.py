"""The mutation gate: tests that notice when the code is changed, and notice nothing when it is not."""

from collections import Counter
from decimal import Decimal

from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.errors import HarnessFailed
from gates.evidence import format_stryker
from gates.harness_job import run_harness
from gates.measurements import Mutant, MutantStatus, MutationMeasurement, parse_mutation
from gates.score import compute_percentage

MINIMUM_MUTANTS, MINIMUM_NULL_MUTANTS = 20, 10
# A function with this many mutants, none of which an assertion notices, is hollow.
HOLLOW_MUTANTS = 5
_CURE = "Add tests that assert exact results at the lines of the surviving mutants, then retry."
_CURE_SMALL = "Give the block logic that can be tested; constants and pass-through code prove nothing."
_UNSTABLE_TESTS = "tests fail where nothing changed: they are flaky, depend on order, or inspect code"
_FEEDBACK_SURVIVORS = 10

Mutants = tuple[Mutant, ...]
Findings = tuple[Finding, ...]


class MutationGate:
    """Kill rate over every mutant, with null mutants as the control."""

    name = "mutation"

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        measured = parse_mutation(run_harness(candidate, policy, "mutation"))
        # A quiet machine would have had the time, so this says nothing about the block.
        if measured.unrun and measured.feasible:
            message = f"{measured.unrun} mutants could not be run in time: the machine was busy"
            raise HarnessFailed(message)
        mutants = measured.mutants
        survivors = tuple(mutant for mutant in mutants if not mutant.status.detected)
        killed = len(mutants) - len(survivors)
        score = compute_percentage(killed, len(mutants)) if mutants else Decimal(0)
        objections = _find_objections(candidate, measured)
        passed = not objections and score >= policy.min_mutation_kill_rate
        counts = Counter(str(mutant.status) for mutant in mutants)
        timeouts = counts[MutantStatus.TIMEOUT]
        summary = f"{killed} of {len(mutants)} mutants detected ({timeouts} by timeout), {score} %"
        survivor_findings = [_survivor_finding(candidate, mutant) for mutant in survivors]
        report = format_stryker(candidate.module_path, candidate.module, mutants, policy)
        return GateReport(
            gate=self.name,
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            summary="; ".join([*(objection.message for objection in objections), summary]),
            score=score,
            threshold=policy.min_mutation_kill_rate,
            findings=(*objections, *survivor_findings),
            evidence={"mutation.json": report},
            details={
                "mutants": len(mutants),
                "null_mutants": measured.null_mutants,
                "null_mutants_killed": measured.null_mutants_killed,
                **counts,
            },
            feedback="" if passed else _compose_feedback(objections, survivors),
            cure="" if passed else _choose_cure(mutants),
        )


def _choose_cure(mutants: Mutants) -> str:
    return _CURE_SMALL if len(mutants) < MINIMUM_MUTANTS else _CURE


def _find_objections(candidate: Candidate, measured: MutationMeasurement) -> Findings:
    """What fails a block at any kill rate."""
    count = len(measured.mutants)
    found = []
    if count < MINIMUM_MUTANTS:
        message = f"only {count} changes can be made to this code, {MINIMUM_MUTANTS} are needed to judge it"
        found.append(Finding("too-small", message, path=candidate.module_path))
    # Every null mutant of a block that no test reaches survives, and so would prove nothing.
    elif measured.null_mutants_run < MINIMUM_NULL_MUTANTS:
        message = "too little of the code is tested to tell real kills from pretended ones"
        found.append(Finding("no-control", message, path=candidate.module_path))
    # One is enough: honest tests cannot notice a change that changes nothing.
    if measured.null_mutants_killed:
        found.append(Finding("unstable-tests", _UNSTABLE_TESTS, path=candidate.tests_path))
    # Not the machine's fault: a quiet one would not have had the time either.
    if measured.unrun:
        message = f"{measured.unrun} mutants could not be run in time, so slow are the tests"
        found.append(Finding("out-of-time", message, path=candidate.tests_path))
    return (*found, *_find_hollow_functions(candidate, measured.mutants))


def _find_hollow_functions(candidate: Candidate, mutants: Mutants) -> list[Finding]:
    """Functions about which no test ever asserts anything: others, well tested, must not make up for them."""
    in_functions = [mutant for mutant in mutants if mutant.function]
    total = Counter(mutant.function for mutant in in_functions)
    noticed = Counter(mutant.function for mutant in in_functions if mutant.asserted)
    hollow = [name for name, count in total.items() if count >= HOLLOW_MUTANTS and not noticed[name]]
    return [
        Finding(
            "hollow", f"no assertion of any test notices a change inside {name}", path=candidate.module_path
        )
        for name in hollow
    ]


def _survivor_finding(candidate: Candidate, mutant: Mutant) -> Finding:
    change = f"{mutant.original[:120]} -> {mutant.replacement[:120]}"
    fate = "not reached by any test" if mutant.status is MutantStatus.NO_COVERAGE else "survived"
    return Finding(
        rule=f"mutant-{mutant.operator}",
        message=f"{fate}: {change}",
        severity="warning",
        path=candidate.module_path,
        line=mutant.line,
        end_line=mutant.end_line,
    )


def _compose_feedback(objections: Findings, survivors: Mutants) -> str:
    lines = [f"- {objection.message}" for objection in objections]
    for mutant in _spread_over_functions(survivors, _FEEDBACK_SURVIVORS):
        original, replacement = mutant.original[:160], mutant.replacement[:160]
        lines.append(f"- line {mutant.line}: `{original}` became `{replacement}` and every test passed")
    return "\n".join(lines)


def _spread_over_functions(survivors: Mutants, count: int) -> list[Mutant]:
    """Up to ``count`` survivors: the first of each function, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    ranked = []
    for mutant in survivors:
        ranked.append((seen[mutant.function], mutant.line, mutant))
        seen[mutant.function] += 1
    ranked.sort(key=lambda item: item[:2])
    return [mutant for _, _, mutant in ranked[:count]]


gate = MutationGate()
