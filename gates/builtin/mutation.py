"""The mutation gate: tests that notice when the code is changed, and notice nothing when it is not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from gates.base import Candidate, Finding, GateReport, Policy, Verdict
from gates.contract_calls import list_entry_points
from gates.copied_code import find_copied_functions
from gates.errors import HarnessFailed
from gates.evidence import format_stryker
from gates.harness.task import HarnessRequest
from gates.harness_job import run_harness
from gates.measurements import Mutant, MutantStatus, MutationMeasurement, parse_mutation
from gates.reach import find_reached_functions
from gates.score import compute_percentage

# A function with this many mutants, none of which an assertion notices, is hollow.
HOLLOW_MUTANTS = 5
# A function's share says something from this many mutants on; then it must be half of the block's threshold.
_FEWEST_MUTANTS = 4
_FUNCTION_SHARE = Decimal("0.5")
# In small code a change that this share of the drawn calls shows must not go unnoticed.
_SHOWN_SHARE = 0.1
_CURE = "Add tests that assert exact results at the lines of the surviving mutants, then retry."
_UNSTABLE_TESTS = "tests fail where nothing changed: they are flaky, depend on order, or inspect code"
_FEEDBACK_SURVIVORS = 10

Mutants = tuple[Mutant, ...]
Findings = tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class MutantCounts:
    """How many mutants ended in which way.

    Only ``killed`` (by an assertion) and ``missed`` say something about tests. A change that crashes or never
    ends gave no test a value to look at, and an equivalent one has nothing to see.
    """

    total: int
    killed: int
    missed: int
    crashed: int
    timeouts: int
    equivalent: int

    @property
    def judged(self) -> int:
        """Mutants that say something about the tests."""
        return self.killed + self.missed

    @property
    def rate(self) -> Decimal:
        """Share of the judged mutants that an assertion noticed, in percent."""
        if self.judged:
            return compute_percentage(self.killed, self.judged)
        # Without anything to notice, nothing was missed; where all changes crash, nothing was asserted.
        return Decimal(100) if self.total == self.equivalent else Decimal(0)


def count_mutants(mutants: Iterable[Mutant]) -> MutantCounts:
    """Count ``mutants`` by their fate."""
    mutants = tuple(mutants)
    fates = Counter(mutant.status for mutant in mutants)
    return MutantCounts(
        total=len(mutants),
        killed=fates[MutantStatus.KILLED],
        missed=sum(mutant.status.is_missed for mutant in mutants),
        crashed=fates[MutantStatus.CRASHED],
        timeouts=fates[MutantStatus.TIMEOUT],
        equivalent=fates[MutantStatus.EQUIVALENT],
    )


class MutationGate:
    """Share of mutants that an assertion notices, with null mutants as the control."""

    name = "mutation"

    def plan_request(self, candidate: Candidate) -> HarnessRequest:
        """What the harness will be asked for."""
        return HarnessRequest(self.name, list_entry_points(candidate))

    def check(self, candidate: Candidate, policy: Policy) -> GateReport:
        entrypoints = list_entry_points(candidate)
        measured = parse_mutation(run_harness(candidate, policy, "mutation", entrypoints))
        # A quiet machine would have had the time, so this says nothing about the block.
        if measured.unrun and measured.feasible:
            message = f"{measured.unrun} mutants could not be run in time: the machine was busy"
            raise HarnessFailed(message)
        counts = count_mutants(measured.mutants)
        survivors = tuple(mutant for mutant in measured.mutants if mutant.status.is_missed)
        calls = [entry["call"] for entry in entrypoints]
        by_function = _count_by_function(measured.mutants)
        by_call = _count_by_call(candidate, measured.mutants, calls)
        objections = (
            *_find_objections(candidate, measured),
            *_find_weak_functions(candidate, policy, by_function, by_call),
        )
        passed = not objections and counts.rate >= policy.min_mutation_kill_rate
        survivor_findings = [_survivor_finding(candidate, mutant) for mutant in survivors]
        report = format_stryker(candidate.modules, _sort_by_file(candidate, measured.mutants), policy)
        return GateReport(
            gate=self.name,
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            summary="; ".join([*(objection.message for objection in objections), _summarize(counts)]),
            score=counts.rate,
            threshold=policy.min_mutation_kill_rate,
            findings=(*objections, *survivor_findings),
            evidence={"mutation.json": report},
            details={
                "mutants": counts.total,
                "killed_by_assertion": counts.killed,
                "killed_by_crash": counts.crashed,
                "killed_by_timeout": counts.timeouts,
                "missed": counts.missed,
                "equivalent": counts.equivalent,
                "functions": {name: str(each.rate) for name, each in by_function.items()},
                "entrypoints": {call: str(each.rate) for call, each in by_call.items()},
                "null_mutants": measured.null_mutants,
                "null_mutants_killed": measured.null_mutants_killed,
            },
            feedback="" if passed else _compose_feedback(candidate, objections, survivors),
            cure="" if passed else _CURE,
        )


def _sort_by_file(candidate: Candidate, mutants: Mutants) -> dict[str, list[Mutant]]:
    """The mutants of each file, with the lines that its readers know."""
    by_file: dict[str, list[Mutant]] = {path: [] for path in candidate.modules}
    for mutant in mutants:
        path, line = candidate.locate(mutant.line)
        _, end_line = candidate.locate(mutant.end_line)
        by_file[path].append(replace(mutant, line=line, end_line=end_line))
    return by_file


def _summarize(counts: MutantCounts) -> str:
    text = f"{counts.killed} of {counts.judged} changes noticed by an assertion, {counts.rate} %"
    others = {
        "by an error": counts.crashed,
        "by timeout": counts.timeouts,
        "without effect": counts.equivalent,
    }
    listed = [f"{count} {what}" for what, count in others.items() if count]
    return f"{text} ({', '.join(listed)})" if listed else text


def _count_by_function(mutants: Mutants) -> dict[str, MutantCounts]:
    groups: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        if mutant.function:
            groups.setdefault(mutant.function, []).append(mutant)
    return {name: count_mutants(group) for name, group in groups.items()}


def _count_by_call(candidate: Candidate, mutants: Mutants, calls: Iterable[str]) -> dict[str, MutantCounts]:
    """By entry point, over all functions that it reaches."""
    found = {}
    for call in calls:
        reached = find_reached_functions(candidate.modules.values(), call)
        inside = [mutant for mutant in mutants if not reached.isdisjoint(_split_name(mutant.function))]
        found[call] = count_mutants(inside)
    return found


def _split_name(function: str) -> list[str]:
    """The parts of a function's dotted name, without its private module."""
    return function.rpartition(":")[2].split(".")


def _find_objections(candidate: Candidate, measured: MutationMeasurement) -> Findings:
    """What fails a block at any rate."""
    found = [*find_copied_functions(candidate)]
    # One is enough: honest tests cannot notice a change that changes nothing.
    if measured.null_mutants_killed:
        found.append(Finding("unstable-tests", _UNSTABLE_TESTS, path=candidate.tests_path))
    # Not the machine's fault: a quiet one would not have had the time either.
    if measured.unrun:
        message = f"{measured.unrun} mutants could not be run in time, so slow are the tests"
        found.append(Finding("out-of-time", message, path=candidate.tests_path))
    for stand_in in measured.stand_ins:
        if stand_in.status.is_missed and stand_in.differing:
            message = f"every test passes when {stand_in.function} returns other values: {stand_in.example}"
            found.append(Finding("empty-tests", message, path=candidate.tests_path))
    for mutant in measured.mutants if measured.small else ():
        if mutant.status.is_missed and mutant.differing > _SHOWN_SHARE * mutant.compared:
            change = _describe_change(mutant, 120)
            message = f"no test notices that {change}: {mutant.example}"
            path, line = candidate.locate(mutant.line)
            found.append(Finding("missed-change", message, path=path, line=line))
    return tuple(found)


def _find_weak_functions(
    candidate: Candidate,
    policy: Policy,
    by_function: dict[str, MutantCounts],
    by_call: dict[str, MutantCounts],
) -> list[Finding]:
    """Functions and entry points that others, well tested, must not make up for."""
    floor = policy.min_mutation_kill_rate * _FUNCTION_SHARE
    found = []
    for name, counts in by_function.items():
        if not counts.killed and counts.missed and counts.total - counts.equivalent >= HOLLOW_MUTANTS:
            message = f"no assertion of any test notices a change inside {name}"
            found.append(Finding("hollow", message, path=candidate.module_path))
        elif counts.judged >= _FEWEST_MUTANTS and counts.rate < floor:
            message = f"assertions notice only {counts.killed} of {counts.judged} changes inside {name}"
            found.append(Finding("weak-function", message, path=candidate.module_path))
    named = set(by_function)
    for call, counts in by_call.items():
        # What is said of the function itself need not be said again.
        is_new = not {call, call.rpartition(".")[2]} & named or not found
        if is_new and counts.judged >= _FEWEST_MUTANTS and counts.rate < floor:
            message = f"assertions notice only {counts.killed} of {counts.judged} changes behind {call}"
            found.append(Finding("weak-entry-point", message, path=candidate.module_path))
    return found


def _describe_change(mutant: Mutant, length: int) -> str:
    return f"`{mutant.original[:length]}` became `{mutant.replacement[:length]}`"


def _survivor_finding(candidate: Candidate, mutant: Mutant) -> Finding:
    change = f"{mutant.original[:120]} -> {mutant.replacement[:120]}"
    path, line = candidate.locate(mutant.line)
    _, end_line = candidate.locate(mutant.end_line)
    fate = "not reached by any test" if mutant.status is MutantStatus.NO_COVERAGE else "survived"
    return Finding(
        rule=f"mutant-{mutant.operator}",
        message=f"{fate}: {change}",
        severity="warning",
        path=path,
        line=line,
        end_line=end_line,
    )


def _compose_feedback(candidate: Candidate, objections: Findings, survivors: Mutants) -> str:
    lines = [f"- {objection.message}" for objection in objections]
    for mutant in _spread_over_functions(survivors, _FEEDBACK_SURVIVORS):
        shown = f"; {mutant.example}" if mutant.example else ""
        path, line = candidate.locate(mutant.line)
        place = f"line {line}" if path == candidate.module_path else f"{path} line {line}"
        lines.append(f"- {place}: {_describe_change(mutant, 160)} and every test passed{shown}")
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
