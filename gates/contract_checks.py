"""Soundness of a contract, read as data: shape, schemas that say something, names that exist."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from gates import syntax
from gates.base import Candidate, Finding
from gates.harness.json_schema import find_vacuous_parts, make_validator

_TOO_WIDE = {"Exception", "BaseException", "object", "SystemExit", "KeyboardInterrupt"}
_SCHEMA = {"type": ["object"], "minProperties": 1}
_SHAPE = Draft202012Validator(
    {
        "type": "object",
        "required": ["contract", "family", "name", "version", "entrypoints"],
        "properties": {
            "contract": {"const": 1},
            "family": {"type": "string", "minLength": 1},
            "name": {"type": "string"},
            "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            "entrypoints": {
                "type": "array",
                "minItems": 1,
                "maxItems": 50,
                "items": {
                    "type": "object",
                    "required": ["call", "input", "output"],
                    "properties": {
                        "call": {
                            "type": "string",
                            "pattern": r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$",
                        },
                        "input": _SCHEMA,
                        "output": {"type": ["object"]},
                        "raises": {"type": "array", "items": {"type": "string"}},
                        "examples": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["input"],
                                "anyOf": [{"required": ["output"]}, {"required": ["raises"]}],
                            },
                        },
                    },
                },
            },
        },
    }
)


def find_objections(candidate: Candidate, contract: Mapping[str, Any] | None) -> tuple[Finding, ...]:
    """Why a contract is refused before anything runs; empty where it is sound."""
    if contract is None:
        return (Finding("json", "the contract is no JSON object", path="contract.json"),)
    shape = [
        Finding("shape", f"{error.json_path}: {error.message[:200]}", path="contract.json")
        for error in _SHAPE.iter_errors(contract)
    ]
    if shape:
        return tuple(shape[:10])
    found = list(_identity(candidate, contract))
    for entry in contract["entrypoints"]:
        found += [
            Finding(rule, f"{entry['call']}: {message}", path="contract.json")
            for rule, message in _entry(candidate, entry)
        ]
    return tuple(found)


def _identity(candidate: Candidate, contract: Mapping[str, Any]) -> Iterator[Finding]:
    for key, expected in (("name", candidate.name), ("family", candidate.family)):
        if contract[key] != expected:
            yield Finding(
                "identity", f"{key} is {contract[key]!r} and should be {expected!r}", path="contract.json"
            )
    calls = [entry["call"] for entry in contract["entrypoints"]]
    if len(set(calls)) != len(calls):
        yield Finding("duplicate", "an entry point is listed twice", path="contract.json")


def _entry(candidate: Candidate, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if entry["call"] not in _callables(candidate.module):
        yield "missing", "the module defines no such function or method"
    wide = _TOO_WIDE.intersection(entry.get("raises", []))
    if wide:
        yield "vacuous", f"raises {', '.join(sorted(wide))} allows every failure"
    for side in ("input", "output"):
        try:
            Draft202012Validator.check_schema(entry[side])
            empty = find_vacuous_parts(entry[side], entry[side])
        except (SchemaError, ValueError, KeyError, TypeError, RecursionError, re.error) as error:
            yield "schema", f"{side} is no usable JSON Schema: {str(error)[:200]}"
            return
        for where in empty:
            yield "vacuous", f"{side} schema {where}"
    if entry["input"].get("type") != "object":
        yield "schema", "input must be of type object: it names the arguments"
        return
    accepts = make_validator(entry["input"])
    for index, example in enumerate(entry.get("examples", [])):
        if not accepts.is_valid(example["input"]):
            yield "example", f"the input of example {index + 1} breaks the input schema"


def _callables(module: str) -> set[str]:
    """Functions at the top and methods of classes at the top, told from the text."""
    names = set()
    for node in syntax.parse(module).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef))
            }
            names |= {f"{node.name}.{method}" for base in node.bases for method in _inherited(module, base)}
    return names


def _inherited(module: str, base: ast.expr) -> set[str]:
    for node in syntax.parse(module).body:
        if isinstance(node, ast.ClassDef) and isinstance(base, ast.Name) and node.name == base.id:
            return {
                inner.name
                for inner in node.body
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef))
            }
    return set()


def find_broken_promises(contract: Mapping[str, Any], previous: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What the previous version promised and this one no longer mentions."""
    now = {entry["call"]: entry for entry in contract["entrypoints"]}
    found = []
    for entry in previous.get("entrypoints", []):
        if entry["call"] not in now:
            found.append(
                Finding(
                    "compatibility-breach",
                    f"{entry['call']}: was promised by version {previous.get('version')} and is gone",
                )
            )
            continue
        added = set(now[entry["call"]].get("raises", [])) - set(entry.get("raises", []))
        if added:
            found.append(
                Finding(
                    "compatibility-breach", f"{entry['call']}: now also raises {', '.join(sorted(added))}"
                )
            )
    return tuple(found)
