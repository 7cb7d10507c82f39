"""Contracts that promise next to nothing, or less than their module offers."""

import json
from typing import Any

from gates.base import Candidate
from tests.gates.blocks import CONTRACT, MODULE, block, entry

Schema = dict[str, Any]

_WIDE: Schema = {
    "type": ["string", "number", "boolean", "array", "object"],
    "items": {"type": "integer"},
    "additionalProperties": False,
}
_OPTIONS: Schema = {
    "anyOf": [
        {"type": "string"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "array", "items": {"type": "string"}},
    ]
}
_REFERENCE: Schema = {
    "$defs": {"any": {"type": ["string", "number", "boolean", "array"], "items": {"type": "string"}}},
    "$ref": "#/$defs/any",
}
_IN_OBJECT = MODULE.replace("return base * 2 + 99", "return {'cents': base * 2 + 99}").replace(
    "return base\n", "return {'cents': base}\n"
)
_IN_LIST = MODULE.replace("return base * 2 + 99", "return [base * 2 + 99]").replace(
    "return base\n", "return [base]\n"
)
_BUILT_TESTS = """from parcel import fee


def make_step(n):
    return lambda: 4


def test_fee():
    assert fee(lambda: 1) == 3
    assert fee(lambda: 5) == 15
"""


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _output(schema: Schema, module: str | None = None) -> Candidate:
    return block(contract=entry(output=schema, examples=[]), module=module)


def _input(weight: Schema) -> Candidate:
    return block(contract=entry(input=_object(weight=weight), examples=[]))


def _version_2(module: str = MODULE, **changes: Any) -> Candidate:
    return block(module=module, contract=json.dumps({**json.loads(entry(**changes)), "contract": 2}))


def _built() -> Candidate:
    step = {"type": "integer", "minimum": 0, "maximum": 99, "builder": "make_step"}
    call = {"call": "fee", "input": _object(step=step), "output": {"type": "integer"}, "raises": []}
    contract = json.dumps({**CONTRACT, "contract": 2, "entrypoints": [call]})
    return block("def fee(step) -> int:\n    return step() * 3\n", _BUILT_TESTS, contract)


def _multiply() -> Schema:
    """Each part refers to the one before it twice: a trillion of them."""
    parts: Schema = {"d0": {"type": "integer"}}
    for number in range(1, 40):
        parts[f"d{number}"] = {"anyOf": [{"$ref": f"#/$defs/d{number - 1}"}] * 2}
    return {"$defs": parts, "$ref": "#/$defs/d39"}


_NAMES = """def fee(name: str) -> str:
    return "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"
"""


PROMISES: dict[str, Candidate] = {
    "output-of-references-that-multiply": block(contract=entry(output=_multiply(), examples=[])),
    "output-that-takes-years-to-match": block(
        _NAMES,
        contract=entry(
            input=_object(name={"type": "string"}),
            output={"type": "string", "pattern": "^(a+)+$"},
            examples=[],
        ),
    ),
    "example-that-takes-years-to-match": block(
        _NAMES,
        contract=entry(
            input=_object(name={"type": "string", "pattern": "^(a|a)*$"}),
            output={"type": "string"},
            examples=[{"input": {"name": f"{'a' * 60}!"}, "output": ""}],
        ),
    ),
    "pattern-that-looks-around": _input({"type": "string", "pattern": "(?=.*a)b"}),
    "output-of-options": _output(_OPTIONS),
    "output-by-reference": _output(_REFERENCE),
    "output-in-a-property": _output(_object(cents=_WIDE), _IN_OBJECT),
    "output-in-a-list": _output({"type": "array", "items": _WIDE}, _IN_LIST),
    "output-by-exclusion": _output({"not": {"type": "string"}}),
    "output-by-condition": _output({"if": {"type": "string"}, "then": {"type": "string"}, "else": {}}),
    "one-input": _input({"const": 501}),
    "few-inputs": _input({"enum": [501, 500, 1]}),
    "narrow-range": _input({"type": "integer", "minimum": 501, "maximum": 503}),
    "sparse-range": _input({"type": "integer", "multipleOf": 10_007, "minimum": 1, "maximum": 30_000}),
    "requires-the-impossible": _version_2(requires="weight < 0"),
    "requires-what-cannot-be-computed": _version_2(requires="weight[0] == 1"),
    "raises-what-nobody-shows": _version_2(raises=["LookupError"]),
    "keeps-a-function-back": _version_2(f"{MODULE}\n\ndef toll(x: int) -> int:\n    return x * 7\n"),
    "keeps-a-class-back": _version_2(
        f"{MODULE}\n\nclass Toll:\n    def go(self, x: int) -> int:\n        return x * 7\n"
    ),
    "keeps-a-lambda-back": _version_2(f"{MODULE}\n\ntoll = lambda x: x * 7\n"),
    "keeps-another-name-back": _version_2(
        f"{MODULE}\n\ndef _toll(x: int) -> int:\n    return x * 7\n\n\ntoll = _toll\n"
    ),
    "keeps-back-under-a-condition": _version_2(
        f"{MODULE}\n\nif True:\n    def toll(x: int) -> int:\n        return x * 7\n"
    ),
    "builds-the-same-each-time": _built(),
}
