"""Whether a contract is sound, read as data: its shape, schemas that say something, names that exist."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from gates import syntax
from gates.base import CONTRACT_PATH, Candidate, Finding
from gates.harness.json_schema import make_validator
from gates.harness.vacuous_schemas import find_vacuous_parts

# Naming one of these under "raises" would allow every failure.
_TOO_WIDE_EXCEPTIONS = {"Exception", "BaseException", "object", "SystemExit", "KeyboardInterrupt"}
_MAX_SHAPE_FINDINGS = 10
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_EXAMPLE = {
    "type": "object",
    "required": ["input"],
    "anyOf": [{"required": ["output"]}, {"required": ["raises"]}],
}
_ENTRY_POINT = {
    "type": "object",
    "required": ["call", "input", "output"],
    "properties": {
        "call": {
            "type": "string",
            "pattern": r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$",
        },
        "input": {"type": ["object"], "minProperties": 1},
        "output": {"type": ["object"]},
        "raises": {"type": "array", "items": {"type": "string"}},
        "examples": {"type": "array", "items": _EXAMPLE},
    },
}
_PROMISE = Draft202012Validator(_ENTRY_POINT)
_SHAPE = Draft202012Validator(
    {
        "type": "object",
        "required": ["contract", "family", "name", "version", "entrypoints"],
        "properties": {
            "contract": {"const": 1},
            "family": {"type": "string", "minLength": 1},
            "name": {"type": "string"},
            "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            "entrypoints": {"type": "array", "minItems": 1, "maxItems": 50, "items": _ENTRY_POINT},
        },
    }
)


def find_objections(candidate: Candidate, contract: Mapping[str, Any] | None) -> tuple[Finding, ...]:
    """Why a contract is refused before anything runs; empty where it is sound."""
    if contract is None:
        return (_contract_finding("json", "the contract is not a JSON object"),)
    shape_errors = [
        _contract_finding("shape", f"{error.json_path}: {error.message[:200]}")
        for error in _SHAPE.iter_errors(contract)
    ]
    if shape_errors:
        return tuple(shape_errors[:_MAX_SHAPE_FINDINGS])
    found = list(_check_identity(candidate, contract))
    callables = _list_callables(candidate.module)
    for entry in contract["entrypoints"]:
        for rule, message in _check_entry_point(callables, entry):
            found.append(_contract_finding(rule, f"{entry['call']}: {message}"))
    return tuple(found)


def _contract_finding(rule: str, message: str) -> Finding:
    return Finding(rule, message, path=CONTRACT_PATH)


def _check_identity(candidate: Candidate, contract: Mapping[str, Any]) -> Iterator[Finding]:
    for key, expected in (("name", candidate.name), ("family", candidate.family)):
        # Callers find a block by these; another name would take over another block.
        if contract[key] != expected:
            yield _contract_finding("identity", f"{key} is {contract[key]!r} and should be {expected!r}")
    calls = [entry["call"] for entry in contract["entrypoints"]]
    if len(set(calls)) != len(calls):
        yield _contract_finding("duplicate", "an entry point is listed twice")


def _check_entry_point(callables: set[str], entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Rule and message of each objection to one entry point."""
    if entry["call"] not in callables:
        yield "missing", "the module defines no such function or method"
    promise_objections = list(check_promise(entry))
    yield from promise_objections
    # With a schema that cannot be used, nothing can be said about the examples.
    if any(rule == "schema" for rule, _ in promise_objections):
        return
    accepts = make_validator(entry["input"])
    for number, example in enumerate(entry.get("examples", []), start=1):
        if not accepts.is_valid(example["input"]):
            yield "example", f"the input of example {number} breaks the input schema"


def check_promise(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Rule and message of each objection to what one entry point promises, before there is any code.

    ``entry`` has at least ``call``, ``input`` and ``output``.
    """
    shape_errors = [f"{error.json_path}: {error.message[:200]}" for error in _PROMISE.iter_errors(entry)]
    if shape_errors:
        yield from (("schema", message) for message in shape_errors)
        return
    too_wide = _TOO_WIDE_EXCEPTIONS.intersection(entry.get("raises", []))
    if too_wide:
        yield "vacuous", f"raises {', '.join(sorted(too_wide))} allows every failure"
    schema_objections = list(_check_schemas(entry))
    yield from schema_objections
    unusable = any(rule == "schema" for rule, _ in schema_objections)
    if not unusable and entry["input"].get("type") != "object":
        yield "schema", "input must be of type object: it names the arguments"


def _check_schemas(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for side in ("input", "output"):
        try:
            Draft202012Validator.check_schema(entry[side])
            vacuous_parts = find_vacuous_parts(entry[side])
        # Hostile schemas raise all of these inside jsonschema.
        except (SchemaError, ValueError, KeyError, TypeError, RecursionError, re.error) as error:
            yield "schema", f"{side} is not a usable JSON Schema: {str(error)[:200]}"
            return
        for part in vacuous_parts:
            yield "vacuous", f"{side} schema {part}"


def _list_callables(module: str) -> set[str]:
    """Functions at the top, and ``Class.method`` of classes at the top, from the text.

    Methods that a class inherits from another class of the module count as its own, one level up.
    """
    body = syntax.parse(module).body
    methods = {node.name: _method_names(node) for node in body if isinstance(node, ast.ClassDef)}
    names = {node.name for node in body if isinstance(node, _FUNCTIONS)}
    for node in body:
        if not isinstance(node, ast.ClassDef):
            continue
        own_and_inherited = _method_names(node)
        for base in node.bases:
            if isinstance(base, ast.Name):
                own_and_inherited |= methods.get(base.id, set())
        names |= {f"{node.name}.{method}" for method in own_and_inherited}
    return names


def _method_names(node: ast.ClassDef) -> set[str]:
    return {inner.name for inner in node.body if isinstance(inner, _FUNCTIONS)}


def find_broken_promises(contract: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What the previous version of the contract promised and this one no longer does, by the text alone."""
    entries = {entry["call"]: entry for entry in contract["entrypoints"]}
    found = []
    for promised in previous.get("entrypoints", []):
        call = promised["call"]
        if call not in entries:
            message = f"{call}: was promised by version {previous.get('version')} and is gone"
            found.append(Finding("compatibility-breach", message))
            continue
        # A caller of the earlier version does not handle what was added.
        added = set(entries[call].get("raises", [])) - set(promised.get("raises", []))
        if added:
            message = f"{call}: now also raises {', '.join(sorted(added))}"
            found.append(Finding("compatibility-breach", message))
    return tuple(found)
