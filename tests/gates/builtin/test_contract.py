"""What a contract may say, and that it has to say something."""

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from gates.base import Candidate, GateReport, Policy, Verdict
from gates.builtin.contract import gate
from tests.gates.blocks import MODULE, SOUND, block, entry


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _number(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


NO_TESTS = '"""Calls show enough."""\n'


def _judge(module: str, tests: str, *entries: dict[str, Any], **contract: Any) -> GateReport:
    text = {"contract": 2, "family": "made", "name": "made", "version": "1.0.0", **contract}
    candidate = Candidate("made", "made", module, tests, json.dumps({**text, "entrypoints": list(entries)}))
    return gate.check(candidate, Policy(wall_seconds=60))


def _rules(report: GateReport) -> set[str]:
    return {finding.rule for finding in report.findings}


WINDOW = """
class Window:
    def __init__(self, size: int, seconds: float) -> None:
        if size < 1:
            raise ValueError("size must be positive")
        self.size, self.seconds = size, seconds
        self.times: list[float] = []

    def allow(self, now: float) -> bool:
        self.times = [at for at in self.times if now - at < self.seconds]
        self.times.append(now)
        return len(self.times) <= self.size
"""
ALLOW = {
    "call": "Window.allow",
    "construct": _object(size=_number(1, 9), seconds={"type": "number", "minimum": 1, "maximum": 60}),
    "input": _object(now={"type": "number", "minimum": 0, "maximum": 100}),
    "output": {"type": "boolean"},
    "examples": [{"construct": {"size": 1, "seconds": 5}, "input": {"now": 0}, "output": True}],
}


def test_a_class_is_made_with_what_the_contract_says() -> None:
    report = _judge(WINDOW, NO_TESTS, ALLOW)

    assert (report.verdict, report.feedback) == (Verdict.PASSED, "")

    wide = {**ALLOW, "construct": _object(size=_number(0, 9), seconds=_number(1, 60))}
    assert _rules(_judge(WINDOW, NO_TESTS, wide)) == {"contract-breach"}


TOP = "def top(values: list[int], k: int) -> int:\n    return sorted(values)[k - 1]\n"
TOP_ENTRY = {
    "call": "top",
    "input": _object(values={"type": "array", "items": _number(0, 99), "maxItems": 6}, k=_number(1, 6)),
    "output": _number(0, 99),
}


def test_a_precondition_over_several_arguments_is_kept_by_every_drawn_input() -> None:
    without = _judge(TOP, NO_TESTS, TOP_ENTRY)
    kept = _judge(TOP, NO_TESTS, {**TOP_ENTRY, "requires": "k <= len(values)"})

    assert _rules(without) == {"contract-breach"}
    assert (kept.verdict, kept.feedback) == (Verdict.PASSED, "")


@pytest.mark.parametrize(
    "requires", ["k <= size", "k ** 9 > 1", "values.clear()", "1 < 2", "__import__('os').system('id')"]
)
def test_a_precondition_that_cannot_be_used_is_refused(requires: str) -> None:
    assert _rules(_judge(TOP, NO_TESTS, {**TOP_ENTRY, "requires": requires})) == {"requires"}


def test_a_builder_of_the_test_file_makes_a_callable() -> None:
    module = "def twice(step, start: int) -> int:\n    return step(step(start))\n"
    tests = "def make_step(by):\n    return lambda n: n + by\n"
    step = {**_number(0, 9), "builder": "make_step"}
    call: dict[str, Any] = {
        "call": "twice",
        "input": _object(step=step, start=_number(0, 9)),
        "output": _number(0, 27),
    }
    call["examples"] = [{"input": {"step": 3, "start": 1}, "output": 7}]

    assert _judge(module, tests, call).feedback == ""
    assert _rules(_judge(module, NO_TESTS, call)) == {"builder"}


def test_bytes_go_in_and_come_out_as_base64() -> None:
    module = "def flip(data: bytes) -> bytes:\n    return data[::-1]\n"
    data = {"type": "string", "format": "bytes", "maxLength": 80}
    call: dict[str, Any] = {"call": "flip", "input": _object(data=data), "output": data}
    call["examples"] = [{"input": {"data": "YWI="}, "output": "YmE="}]

    assert _judge(module, NO_TESTS, call).feedback == ""


def test_generators_and_coroutines_are_promised_like_functions() -> None:
    module = (
        "from collections.abc import AsyncIterator, Iterator\n\n\n"
        "def count(n: int) -> Iterator[int]:\n    yield from range(n)\n\n\n"
        "async def double(n: int) -> int:\n    return 2 * n\n\n\n"
        "async def stream(n: int) -> AsyncIterator[int]:\n    for each in range(n):\n        yield each\n"
    )
    numbers = {"type": "array", "items": _number(0, 50), "maxItems": 50}
    taken = _object(n=_number(0, 50))
    outputs = {"count": numbers, "double": _number(0, 100), "stream": numbers}
    entries = [{"call": name, "input": taken, "output": output} for name, output in outputs.items()]

    assert _judge(module, NO_TESTS, *entries).feedback == ""


def test_functions_that_look_at_their_first_argument_are_called_by_position() -> None:
    module = (
        "from functools import singledispatch\n\n\n"
        "@singledispatch\ndef describe(value: object, width: int = 0) -> str:\n    return str(value)\n\n\n"
        "@describe.register\ndef _(value: bool, width: int = 0) -> str:\n    return 'yes' if value else 'no'\n"
    )
    taken = _object(value={"anyOf": [{"type": "boolean"}, _number(0, 90)]})
    call: dict[str, Any] = {"call": "describe", "input": taken, "output": {"type": "string", "maxLength": 3}}
    call["examples"] = [{"input": {"value": True}, "output": "yes"}, {"input": {"value": 1}, "output": "1"}]

    assert _judge(module, NO_TESTS, call).feedback == ""


def test_what_is_public_is_promised_or_gets_a_private_name() -> None:
    module = f"{TOP}\n\ndef hidden(n: int) -> int:\n    return n\n\n\nclass Kept:\n    def go(self) -> int:\n        return 1\n"

    report = _judge(module, NO_TESTS, {**TOP_ENTRY, "requires": "k <= len(values)"})

    assert _rules(report) == {"unpromised"}
    assert "Kept.go, hidden: promise it as an entry point" in report.feedback


def test_what_is_raised_is_shown_by_a_test_or_an_example() -> None:
    call = entry(raises=["ValueError", "LookupError"])
    report = gate.check(block(contract=call), Policy(wall_seconds=60))

    # The sound block's tests show the ValueError.
    assert _rules(report) == {"unshown"}
    assert "raises LookupError" in report.feedback
    assert "ValueError" not in report.feedback


def test_a_contract_of_hardly_anything_but_failures_is_refused() -> None:
    module = MODULE.replace("    if weight < 1", "    if weight != 17 or weight < 1")

    report = gate.check(block(module=module, contract=entry(raises=["ValueError"], examples=[])), Policy())

    assert _rules(report) & {"few-results", "no-result"}


@pytest.mark.parametrize(
    ("condition", "blamed"),
    [
        ("date.today().year > 2033", "clock"),
        ("os.environ.get('CI')", "environment"),
        ("logging.getLogger().isEnabledFor(10)", "logging"),
        ("'pytest' in sys.modules", "pytest"),
        ("hash(str(weight)) % 2", "hash seed"),
        ("sys.stdout.isatty()", "program"),
        ("next(CALLS) > 300", "number of earlier calls"),
        ("sys.getrecursionlimit() > 1500", "program"),
    ],
)
def test_results_do_not_depend_on_the_conditions(condition: str, blamed: str) -> None:
    imports = (
        "import logging\nimport os\nimport sys\nfrom datetime import date\nfrom itertools import count\n\n"
    )
    imports += "CALLS = count()\n\n\n"
    module = imports + MODULE.replace(
        "    if express", f"    if {condition}:\n        base = 0\n    if express"
    )

    report = gate.check(block(module=module), Policy(wall_seconds=60))

    assert _rules(report) == {"conditions-breach", "contract-breach"} or "conditions-breach" in _rules(report)
    assert f"ends otherwise with another {blamed}" in report.feedback


NUMBERS = """import itertools
import logging
import random
import time

_IDS = itertools.count(1)


def draw(n: int) -> int:
    return random.randint(0, n)


def stamp(n: int) -> float:
    return n + time.time()


def number(n: int) -> int:
    return n + next(_IDS)


def label(n: int) -> str:
    logging.getLogger(__name__).info("label %d", n)
    return f"{n:03d}" if CONDITION else "late"
"""


def _judge_numbers(condition: str) -> GateReport:
    outputs = {"draw": _number(0, 99), "stamp": {"type": "number"}, "number": _number(0, 9999)}
    outputs["label"] = {"type": "string"}
    taken = _object(n=_number(0, 99))
    entries = [{"call": call, "input": taken, "output": output} for call, output in outputs.items()]
    declared = {"clock": "stamps", "randomness": "draws"}
    return _judge(NUMBERS.replace("CONDITION", condition), NO_TESTS, *entries, capabilities=declared)


def test_what_draws_reads_the_clock_or_counts_openly_keeps_its_contract() -> None:
    assert _judge_numbers("n < 200").feedback == ""


@pytest.mark.parametrize(
    ("condition", "breaches"),
    [("time.timezone == 0 or n < 50", True), ("time.localtime().tm_year < 2033 or n < 50", False)],
)
def test_a_declared_capability_frees_the_calls_that_use_it_from_that_alone(
    condition: str, breaches: bool
) -> None:
    assert ("conditions-breach" in _rules(_judge_numbers(condition))) == breaches


def test_a_few_examples_show_what_drawn_inputs_hardly_ever_reach() -> None:
    module = (
        '"""Signed numbers."""\n\nimport zlib\n\n\ndef read(text: str) -> int:\n'
        '    number, _, checksum = text.partition(":")\n'
        '    if f"{zlib.crc32(number.encode()):08x}" != checksum:\n        raise ValueError(text)\n'
        "    return int(number)\n"
    )
    tests = "import pytest\n\n\ndef test_read():\n    with pytest.raises(ValueError):\n        pass\n"
    text = {"type": "string", "pattern": "^[0-9]{1,3}:[0-9a-f]{8}$"}
    call: dict[str, Any] = {"call": "read", "input": _object(text=text), "output": _number(0, 999)}
    call["raises"] = ["ValueError"]
    signed = [(number, f"{number}:{zlib.crc32(str(number).encode()):08x}") for number in range(5)]

    call["examples"] = [{"input": {"text": each}, "output": number} for number, each in signed[:4]]
    assert _rules(_judge(module, tests, call)) == {"few-results"}
    call["examples"].append({"input": {"text": signed[4][1]}, "output": 4})
    assert _judge(module, tests, call).feedback == ""


EXAMPLES = (
    {"call": "fee", "input": {"weight": 501}, "output": 490},
    {"call": "fee", "input": {"weight": 2100, "express": True}, "output": 1103},
)


def test_planned_examples_are_run_literally_and_are_evidence() -> None:
    report = gate.check(replace(SOUND, planned_examples=EXAMPLES), Policy(wall_seconds=60))

    assert (report.verdict, report.feedback) == (Verdict.PASSED, "")
    assert json.loads(report.evidence["contract.json"])["planned_examples"] == list(EXAMPLES)


def test_a_withdrawn_example_is_not_run_and_stays_in_the_evidence() -> None:
    withdrawn = {"number": 1, "quote": "the request", "why": "490", "example": {"call": "fee", "output": 491}}

    report = gate.check(replace(SOUND, withdrawn_examples=(withdrawn,)), Policy(wall_seconds=60))

    assert report.verdict is Verdict.PASSED
    assert "1 of the plan's examples withdrawn by the reviewer" in report.summary
    assert json.loads(report.evidence["contract.json"])["withdrawn_examples"] == [withdrawn]


@pytest.mark.parametrize(
    ("example", "why"),
    [
        ({"call": "fee", "input": {"weight": 501}, "output": 491}, "gave 490 instead of 491"),
        ({"call": "fee", "input": {"weight": 501}, "raises": "ValueError"}, "should raise ValueError"),
        ({"call": "toll", "input": {"weight": 1}, "output": 1}, "the contract has no such call"),
        (
            {"call": "fee", "input": {"weight": 0}, "output": 1},
            "the input schema refuses example 1 of the plan",
        ),
    ],
)
def test_a_block_that_breaks_an_example_of_the_plan_fails(example: dict[str, Any], why: str) -> None:
    report = gate.check(replace(SOUND, planned_examples=(example,)), Policy(wall_seconds=60))

    assert report.verdict is Verdict.FAILED
    assert "plan-breach" in _rules(report)
    assert why in report.feedback
