"""Schemas that a model wrote: tried where others work, so they neither take long nor reach anything."""

import multiprocessing
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from gates.contract_checks import check_planned_example, check_promise
from gates.harness.json_schema import admits
from gates.harness.preconditions import Precondition

TEXT = {"type": "string", "minLength": 1}
LIST = {"type": "array", "items": TEXT, "minItems": 1}
OBJECT = {"type": "object", "properties": {"k": TEXT}, "required": ["k"]}
CPU_SECONDS = 20


class Listener:
    """Counts who connects."""

    def __init__(self) -> None:
        self.calls = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/schema"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                self.calls += 1
                client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                client.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.listening.close()


def promise(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An entry point with one argument."""
    arguments = {
        "type": "object",
        "properties": {"a": schema},
        "required": ["a"],
        "additionalProperties": False,
    }
    output = {"type": "number"}
    return {
        "call": "f",
        "summary": "x",
        "input": arguments,
        "output": output,
        "raises": ["ValueError"],
        **more,
    }


def judge(entry: dict[str, Any], value: Any) -> list[str]:
    """What a plan with the entry point and one example of it is told."""
    objections = [message for _, message in check_promise(entry)]
    return objections or [check_planned_example(entry, {"call": "f", "input": {"a": value}, "output": 1})]


@pytest.mark.parametrize(
    "schema",
    [
        lambda url: {"$ref": url},
        lambda url: {"$dynamicRef": url},
        lambda url: TEXT | {"not": {"$ref": url}},
        lambda url: TEXT | {"if": {"$ref": url}},
        lambda url: TEXT | {"allOf": [{"$ref": url}]},
        lambda url: LIST | {"contains": {"$ref": url}},
        lambda url: OBJECT | {"propertyNames": {"$ref": url}},
        lambda url: OBJECT | {"dependentSchemas": {"k": {"$ref": url}}},
        lambda url: OBJECT | {"unevaluatedProperties": {"$ref": url}},
        lambda url: OBJECT | {"patternProperties": {"k": {"$ref": url}}},
        lambda url: {"type": "object", "properties": {"default": {"$ref": url}}, "required": ["default"]},
        lambda url: TEXT | {"$id": url, "not": {"$ref": "#/$defs/x"}},
    ],
)
def test_no_reference_leaves_the_schema(listener, schema) -> None:
    for value in ("a", ["a"], {"k": "a"}, {"default": "a"}):
        assert judge(promise(schema(listener.url)), value) != [""]
        # Also by itself, without what the contract's check says first.
        admits(schema(listener.url), value)
    assert listener.calls == 0


def test_a_reference_that_leads_nowhere_admits_nothing() -> None:
    assert not admits({"not": {"$ref": "#/nope"}}, "a")
    assert not admits({"$ref": "#"}, "a")
    assert judge(promise(TEXT | {"const": {"$ref": "http://x"}}), "a") == [
        "the input schema refuses its input"
    ]


HOSTILE = ("^(a+)+$", "^(a|a)*$", "^(\\w+\\s?)*$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$")


def _judge_hostile_patterns() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    text = "a" * 5000 + "!"
    for pattern in HOSTILE:
        assert not admits({"type": "string", "pattern": pattern}, text)
        names = {"type": "object", "patternProperties": {pattern: False}, "additionalProperties": TEXT}
        assert admits(names, {text: "a"})
        admits(OBJECT | {"patternProperties": {pattern: True}, "unevaluatedProperties": False}, {text: "a"})


def _judge_multiplying_references() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    definitions: dict[str, Any] = {"d0": {"type": "integer"}}
    for number in range(1, 40):
        inner = {"$ref": f"#/$defs/d{number - 1}"}
        definitions[f"d{number}"] = {"anyOf": [inner, inner]}
    # What an argument must not be is not part of what it promises, so the check for empty promises passes by.
    entry = promise(TEXT | {"not": {"$ref": "#/$defs/d39"}})
    entry["input"]["$defs"] = definitions
    assert judge(entry, "x") == ["the input schema refuses its input"]


@pytest.mark.parametrize("judge_all", [_judge_hostile_patterns, _judge_multiplying_references])
def test_the_cost_is_bounded(judge_all: Callable[[], None]) -> None:
    child = multiprocessing.get_context("fork").Process(target=judge_all)
    child.start()
    child.join(CPU_SECONDS * 4)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"pattern": "^[A-Z]{2}\\d+$"}, "AB12", True),
        ({"pattern": "^[A-Z]{2}\\d+$"}, "A12", False),
        ({"pattern": "b"}, "abc", True),
        ({"pattern": "b"}, 7, True),
        # A contract with it is refused.
        ({"pattern": "^(?!0000)\\d{4}$"}, "0000", True),
        ({"patternProperties": {"^n_": {"type": "number"}}}, {"n_a": 1, "b": "x"}, True),
        ({"patternProperties": {"^n_": {"type": "number"}}}, {"n_a": "x"}, False),
        ({"patternProperties": {"^n_": True}, "additionalProperties": False}, {"n_a": 1}, True),
        ({"patternProperties": {"^n_": True}, "additionalProperties": False}, {"b": 1}, False),
        ({"properties": {"b": True}, "additionalProperties": False}, {"b": 1}, True),
        ({"additionalProperties": {"type": "number"}}, {"b": "x"}, False),
        ({"properties": {"b": True}, "unevaluatedProperties": False}, {"c": 1}, False),
    ],
)
def test_schemas_admit_what_they_say(schema, value, expected) -> None:
    assert admits(schema, value) is expected


def test_loops_of_a_precondition_have_one_bound_together() -> None:
    nested = Precondition("all(all(all(x + y + z >= 0 for z in a) for y in a) for x in a)")
    assert nested.holds({"a": [1] * 20})
    assert not nested.holds({"a": [1] * 5000})
    assert Precondition("all(x > 0 for x in a)").holds({"a": [1] * 10_000})
