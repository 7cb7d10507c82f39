"""The task ``contract``: compares a block with its contract, by literal examples and by drawn inputs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.channel import split_report
from gates.harness.conditions import EARLIER_CALLS, HASH_SEED
from gates.harness.json_schema import make_validator
from gates.harness.value_generator import ValueGenerator, holds_requirement
from gates.harness.zygote_pool import ChildResult

EXAMPLES = 200
# Where the schema admits as many; edges come up more than once.
FEWEST_DISTINCT = 30
# So many calls share one child: a fork for each call would cost more than the calls.
_CALLS_PER_CHILD = 50
_MAX_BREACHES = 10
_MAX_RAISED = 100
# A child makes all its calls so often before those that are compared, as long as there is time.
_EARLIER_ROUNDS = 20

Entry = dict[str, Any]
CallOutcome = dict[str, Any]


@dataclass(frozen=True)
class _Case:
    """One input, and the example that it comes from, if any; ``planned`` says that the plan has it."""

    value: Any
    example: dict[str, Any] | None = None
    planned: bool = False


def measure_contract(block: BlockUnderTest, entrypoints: Sequence[Entry], deadline: float) -> dict[str, Any]:
    """For each entry point how many inputs were tried, and the first breaches."""
    # The drawn inputs are shared among the entry points, with a fair number for each.
    count = max(_CALLS_PER_CHILD, -(-EXAMPLES // len(entrypoints)))
    return {"entrypoints": [_measure_entry_point(block, entry, count, deadline) for entry in entrypoints]}


def _measure_entry_point(block: BlockUnderTest, entry: Entry, count: int, deadline: float) -> dict[str, Any]:
    call, previous = entry["call"], entry["previous"]
    cases, drawn, admitted = _collect_cases(block, entry, f"contract:{call}", count)
    outcomes = _call_entry_point(block, entry, cases, deadline)
    breaches = []
    for case, outcome in zip(cases, outcomes, strict=True):
        kind = "plan" if case.planned else "contract"
        breaches += _describe_breach(kind, case, _find_breach(entry, case.example, outcome))
    drawn_ends = _list_ends(cases, outcomes, drawn=True)
    example_ends = _list_ends(cases, outcomes, drawn=False)
    breaches += _compare_conditions(block, entry, cases, outcomes, deadline)
    if previous:
        earlier_cases, _, _ = _collect_cases(block, previous, f"previous:{call}", count)
        earlier_outcomes = _call_entry_point(block, entry, earlier_cases, deadline)
        accepted = make_validator(entry["input"])
        for case, outcome in zip(earlier_cases, earlier_outcomes, strict=True):
            reason = _find_breach(previous, case.example, outcome)
            if not (accepted.is_valid(case.value) and holds_requirement(entry["input"], case.value)):
                reason = "an input that the previous version took is refused by the schema"
            breaches += _describe_breach("compatibility", case, reason)
        outcomes += earlier_outcomes
    # Examples first, then what hides something, then the shortest inputs, which an implementer understands.
    breaches.sort(
        key=lambda breach: (
            not breach["example"],
            breach["kind"] != "conditions",
            len(json.dumps(breach["input"])),
        )
    )
    return {
        "call": call,
        "tried": len(outcomes),
        "drawn": drawn,
        "admitted": admitted,
        "examples": len(example_ends),
        "example_results": sum(example_ends),
        "distinct": len(drawn_ends),
        "results": sum(drawn_ends),
        "raised": sorted({name for outcome in outcomes for name in outcome.get("raised", [])})[:_MAX_RAISED],
        "normal": sum("output" in outcome for outcome in outcomes),
        "breached": len(breaches),
        "breaches": breaches[:_MAX_BREACHES],
    }


def _collect_cases(
    block: BlockUnderTest, entry: Entry, purpose: str, count: int
) -> tuple[list[_Case], int, int]:
    """The examples and ``count`` drawn inputs of an entry point; how many could be drawn, and how many
    different ones the schema admits without its precondition.
    """
    examples = [_Case(example["input"], example) for example in entry.get("examples", [])]
    planned = [_Case(example["input"], example, planned=True) for example in entry.get("planned", [])]
    generator = ValueGenerator(entry["input"], block.seeded_draw(purpose))
    values = generator.draw_values(count)
    if len({json.dumps(value, sort_keys=True) for value in values}) < FEWEST_DISTINCT:
        values += generator.draw_values(2 * count)
    return [*planned, *examples, *map(_Case, values)], len(values), len(generator.admitted)


def _list_ends(cases: list[_Case], outcomes: list[CallOutcome], *, drawn: bool) -> list[bool]:
    """For each different input, drawn or of an example, whether it ended in a result."""
    found = {
        json.dumps(case.value, sort_keys=True): "output" in outcome
        for case, outcome in zip(cases, outcomes, strict=True)
        if (case.example is None) == drawn
    }
    return list(found.values())


def _compare_conditions(
    block: BlockUnderTest, entry: Entry, cases: list[_Case], outcomes: list[CallOutcome], deadline: float
) -> list[dict[str, Any]]:
    """The first call that ends otherwise in other conditions than those of ``outcomes``."""
    names = list(entry.get("conditions", ()))
    if not names or not cases:
        return []
    calls = _ComparedCalls(block, entry, cases, outcomes, deadline)
    differing = calls.find_differing(names)
    if not differing:
        return []
    # Calls that vary by themselves say nothing about their conditions, and neither does an entry point that
    # counts its calls openly.
    calls.drop_unstable()
    if not any(index in calls.stable for index, _ in differing):
        return []
    if EARLIER_CALLS in names and calls.find_differing([EARLIER_CALLS], rounds=1):
        names.remove(EARLIER_CALLS)
    # One by one, to say which of them it is; together where it takes several.
    for blamed in [*([name] for name in names), names]:
        differing = calls.find_differing(blamed)
        if differing:
            index, after = differing[0]
            before = json.dumps(outcomes[index])[:200]
            words = ", ".join(blamed)
            reason = f"ends otherwise with another {words}: {json.dumps(after)[:200]} instead of {before}"
            return _describe_breach("conditions", cases[index], reason)
    return []


class _ComparedCalls:
    """Calls of one entry point, and how they ended the first time."""

    def __init__(
        self,
        block: BlockUnderTest,
        entry: Entry,
        cases: list[_Case],
        outcomes: list[CallOutcome],
        deadline: float,
    ) -> None:
        self._block, self._entry, self._cases, self._deadline = block, entry, cases, deadline
        self._outcomes = outcomes
        self.stable = set(range(len(cases)))

    def drop_unstable(self) -> None:
        """Leave out the calls that end otherwise though nothing is changed."""
        again = _call_entry_point(self._block, self._entry, self._cases, self._deadline)
        self.stable = {index for index in self.stable if again[index] == self._outcomes[index]}

    def find_differing(
        self, names: Sequence[str], rounds: int = _EARLIER_ROUNDS
    ) -> list[tuple[int, CallOutcome]]:
        """The calls that end otherwise where what ``names`` say is changed: their place and their end."""
        changed = _call_entry_point(
            self._block,
            self._entry,
            self._cases,
            self._deadline,
            names,
            zygote=1 if HASH_SEED in names else 0,
            rounds=rounds if EARLIER_CALLS in names else 0,
        )
        return [
            (index, changed[index])
            for index in sorted(self.stable)
            if changed[index] != self._outcomes[index]
        ]


def _describe_breach(kind: str, case: _Case, reason: str) -> list[dict[str, Any]]:
    if not reason:
        return []
    return [{"kind": kind, "input": case.value, "why": reason, "example": case.example is not None}]


def _call_entry_point(
    block: BlockUnderTest,
    entry: Entry,
    cases: list[_Case],
    deadline: float,
    conditions: Sequence[str] = (),
    zygote: int = 0,
    rounds: int = 0,
) -> list[CallOutcome]:
    """How each call ended. ``rounds`` is how many times all of a child's calls are made beforehand."""
    values = [case.value for case in cases]
    chunks = [values[start : start + _CALLS_PER_CHILD] for start in range(0, len(values), _CALLS_PER_CHILD)]
    answers: dict[int, list[CallOutcome]] = {}
    refusals: list[Unmeasurable] = []

    def list_jobs() -> Iterator[dict[str, Any]]:
        for index, chunk in enumerate(chunks):
            # Calls that never end cost their time once, not once for each chunk.
            if refusals:
                return
            time_left = deadline - block.pool.clock()
            yield {
                "id": index,
                "code": block.code,
                "call": entry["call"],
                "schema": json.dumps(entry["input"]),
                "inputs": json.dumps(chunk),
                "conditions": list(conditions),
                "rounds": rounds,
                "cpu": block.patience,
                "idle": max(1.0, min(3 * block.patience, time_left)),
            }

    # Results come in the order in which children end.
    for result in block.pool.run(list_jobs(), zygotes=[zygote]):
        try:
            answers[result.id] = _read_outcomes(result, chunks[result.id])
        except Unmeasurable as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]
    return [outcome for index in range(len(chunks)) for outcome in answers[index]]


def _read_outcomes(result: ChildResult, inputs: Sequence[Any]) -> list[CallOutcome]:
    """The outcomes of calls with ``inputs``, as a child that ran hostile code reports them.

    Raises ``Unmeasurable``.
    """
    last, text = split_report(result.report)
    started = "The import of the module"
    if last.isdigit() and int(last) < len(inputs):
        started = f"A call with the valid input {json.dumps(inputs[int(last)])[:300]}"
    # One slow call in a chunk is enough: valid input must end.
    if result.too_slow:
        raise Unmeasurable(f"{started} did not end in time.")
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"{started} ended the process: valid input must not stop it."
        raise Unmeasurable(message) from error
    if not isinstance(report, dict):
        raise Unmeasurable("The calls' result is malformed.")
    if "failed" in report:
        raise Unmeasurable(f"The module cannot be used: {str(report['failed'])[:500]}")
    outcomes = report.get("outcomes")
    if not isinstance(outcomes, list) or len(outcomes) != len(inputs) or not all(map(_is_outcome, outcomes)):
        raise Unmeasurable("The calls' result is malformed.")
    return outcomes


def _is_outcome(value: Any) -> bool:
    """Whether ``value`` is what ``gates.harness.entry_points`` writes for one call."""
    if not isinstance(value, dict):
        return False
    if "raised" in value:
        names = value["raised"]
        return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
    return "output" in value or "unfit" in value


def _find_breach(entry: Entry, example: dict[str, Any] | None, outcome: CallOutcome) -> str:
    """Why an outcome breaks the contract, or nothing."""
    if "raised" in outcome:
        return _find_raised_breach(entry, example, outcome)
    if "output" not in outcome:
        return f"the result has no JSON form: {outcome.get('unfit', '')}"
    output = outcome["output"]
    errors = [error.message[:300] for error in make_validator(entry["output"]).iter_errors(output)]
    if errors:
        return f"output breaks the schema: {errors[0]}"
    shown = json.dumps(output)[:200]
    if example is not None and "raises" in example:
        return f"example should raise {example['raises']} and returned {shown}"
    if example is not None and not _is_same_json(example["output"], output):
        return f"example gave {shown} instead of {json.dumps(example['output'])[:200]}"
    return ""


def _find_raised_breach(entry: Entry, example: dict[str, Any] | None, outcome: CallOutcome) -> str:
    names, text = outcome["raised"], outcome.get("text", "")
    if example is not None and "output" in example:
        return f"example raised {names[0]}: {text}"
    if example is not None and "raises" in example and example["raises"] not in names:
        return f"example raised {names[0]} instead of {example['raises']}: {text}"
    # The contract may name the class itself or one that it inherits from.
    if not set(entry.get("raises", [])).intersection(names):
        return f"raised {names[0]}, which the contract does not name: {text}"
    return ""


def _is_same_json(expected: Any, actual: Any) -> bool:
    """JSON equality: ``1`` equals ``1.0``, ``true`` equals only ``true``."""
    # In Python True equals 1.
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_is_same_json, expected, actual))
    if isinstance(expected, dict) and isinstance(actual, dict):
        same_keys = expected.keys() == actual.keys()
        return same_keys and all(_is_same_json(expected[key], actual[key]) for key in expected)
    return bool(expected == actual)
