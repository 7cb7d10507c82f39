"""Holds a block against its contract: literal examples, then inputs that we draw."""

import json
import time
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.json_schema import ValueGenerator, make_validator
from gates.harness.zygote_pool import ChildResult

EXAMPLES, _CHUNK, _MAX_BREACHES = 200, 50, 10


def measure_contract(subject: BlockUnderTest, spec: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Returns per entry point how many inputs were tried and the first breaches, and breaches of the previous contract."""
    entrypoints = spec["entrypoints"]
    each = max(_CHUNK, -(-EXAMPLES // len(entrypoints)))
    results = [_entrypoint(subject, entry, entry["previous"], each, deadline) for entry in entrypoints]
    return {"entrypoints": results, "tried": sum(result["tried"] for result in results)}


def _entrypoint(
    subject: BlockUnderTest,
    entry: dict[str, Any],
    previous: dict[str, Any] | None,
    count: int,
    deadline: float,
) -> dict[str, Any]:
    breaches: list[dict[str, Any]] = []
    inputs = ValueGenerator(entry["input"], subject.draw(f"contract:{entry['call']}")).inputs(count)
    examples = entry.get("examples", [])
    cases: list[tuple[Any, dict[str, Any] | None]] = [(example["input"], example) for example in examples] + [
        (value, None) for value in inputs
    ]
    older = (
        ValueGenerator(previous["input"], subject.draw(f"previous:{entry['call']}")).inputs(count)
        if previous
        else []
    )
    older_cases = [(example["input"], example) for example in (previous or {}).get("examples", [])] + [
        (value, None) for value in older
    ]
    results = normal = 0
    for batch, judged_by, kind in ((cases, entry, "contract"), (older_cases, previous, "compatibility")):
        if judged_by is None or not batch:
            continue
        outcomes = _outcomes(subject, entry, [value for value, _ in batch], deadline)
        for (value, example), outcome in zip(batch, outcomes, strict=True):
            results += 1
            normal += "output" in outcome
            why = _breach(judged_by, example, outcome)
            if kind == "compatibility" and not make_validator(entry["input"]).is_valid(value):
                why = "an input that the previous version took is refused by the schema"
            if why:
                breaches.append({"kind": kind, "input": value, "why": why, "example": example is not None})
    return {
        "call": entry["call"],
        "tried": results,
        "drawn": len(inputs),
        "normal": normal,
        "breached": len(breaches),
        "breaches": sorted(
            breaches, key=lambda breach: (not breach["example"], len(json.dumps(breach["input"])))
        )[:_MAX_BREACHES],
    }


def _outcomes(
    subject: BlockUnderTest, entry: dict[str, Any], inputs: list[Any], deadline: float
) -> list[dict[str, Any]]:
    chunks = [inputs[start : start + _CHUNK] for start in range(0, len(inputs), _CHUNK)]
    jobs = [
        {
            "id": index,
            "code": subject.code,
            "call": entry["call"],
            "schema": json.dumps(entry["input"]),
            "inputs": json.dumps(chunk),
            "cpu": subject.patience,
            "wall": max(1.0, min(3 * subject.patience * subject.slack, deadline - time.monotonic())),
        }
        for index, chunk in enumerate(chunks)
    ]
    answers = {ran.id: _answers(ran, len(chunks[ran.id])) for ran in subject.pool.run(jobs)}
    return [outcome for index in range(len(chunks)) for outcome in answers[index]]


def _answers(ran: ChildResult, count: int) -> list[dict[str, Any]]:
    if ran.too_slow:
        raise Unmeasurable(f"Calls with {count} valid inputs did not end in time.")
    try:
        report = json.loads(ran.report)
    except (ValueError, RecursionError) as error:
        raise Unmeasurable(
            "The process ended in the middle of a call: valid input must not stop it."
        ) from error
    if isinstance(report, dict) and "failed" in report:
        raise Unmeasurable(f"The module cannot be used: {report['failed']}")
    outcomes = report.get("outcomes") if isinstance(report, dict) else None
    if (
        not isinstance(outcomes, list)
        or len(outcomes) != count
        or not all(isinstance(outcome, dict) for outcome in outcomes)
    ):
        raise Unmeasurable("The calls' result is malformed.")
    return outcomes


def _breach(entry: dict[str, Any], example: dict[str, Any] | None, outcome: dict[str, Any]) -> str:
    """Why an outcome breaks the contract, or nothing."""
    if "raised" in outcome:
        names = outcome["raised"]
        allowed = set(entry.get("raises", []))
        if example is not None and "output" in example:
            return f"example raised {names[0]}: {outcome.get('text', '')}"
        if not allowed.intersection(name for name in names if isinstance(name, str)):
            return f"raised {names[0]}, which the contract does not name: {outcome.get('text', '')}"
        return ""
    if "output" not in outcome:
        return f"the result has no JSON form: {outcome.get('unfit', '')}"
    errors = [error.message[:300] for error in make_validator(entry["output"]).iter_errors(outcome["output"])]
    if errors:
        return f"output breaks the schema: {errors[0]}"
    if example is not None and "raises" in example:
        return f"example should raise {example['raises']} and returned {json.dumps(outcome['output'])[:200]}"
    if example is not None and not _same(example["output"], outcome["output"]):
        return f"example gave {json.dumps(outcome['output'])[:200]} instead of {json.dumps(example['output'])[:200]}"
    return ""


def _same(expected: Any, actual: Any) -> bool:
    """JSON equality: ``1`` equals ``1.0``, ``true`` equals only ``true``."""
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_same, expected, actual))
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(_same(expected[key], actual[key]) for key in expected)
    return bool(expected == actual)
