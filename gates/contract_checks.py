"""Whether a contract is sound, read as data: its shape, schemas that say something, names that exist."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from gates import syntax
from gates.allowlist import CAPABILITIES
from gates.base import CONTRACT_PATH, Candidate, Finding
from gates.contract_promises import Promises, list_assigned_functions, list_definitions
from gates.harness.json_schema import admits, find_foreign_references, find_unusable_patterns
from gates.harness.preconditions import MAX_CHARACTERS, Precondition
from gates.harness.vacuous_schemas import find_vacuous_parts
from gates.harness.value_generator import holds_requirement

# Naming one of these under "raises" would allow every failure.
_TOO_WIDE_EXCEPTIONS = {"Exception", "BaseException", "object", "SystemExit", "KeyboardInterrupt"}
_MAX_SHAPE_FINDINGS = 10
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_EXAMPLE = {
    "type": "object",
    "required": ["input"],
    "properties": {"construct": {"type": "object"}},
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
        "construct": {"type": "object", "minProperties": 1},
        "requires": {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS},
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
            # 2 added capabilities, construct, requires and builders, and asks for more promises.
            "contract": {"enum": [1, 2]},
            "family": {"type": "string", "minLength": 1},
            "name": {"type": "string"},
            "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            "capabilities": {
                "type": "object",
                "propertyNames": {"enum": sorted(CAPABILITIES)},
                "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 300},
            },
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
    callables = _list_callables(candidate)
    builders = _list_builder_functions(candidate.tests)
    for entry in contract["entrypoints"]:
        for rule, message in _check_entry_point(callables, builders, entry):
            found.append(_contract_finding(rule, f"{entry['call']}: {message}"))
    promises = Promises.read(candidate)
    found += [_contract_finding(rule, message) for rule, message in promises.find_gaps(contract)]
    return tuple(found)


def expand_entry_points(
    contract: Mapping[str, Any], planned: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The entry points as the harness calls them.

    What makes the object and what is required beside the schema go into one schema, so that an input is
    drawn, checked and converted as one value. ``planned`` examples go to the entry point that they call.
    """
    planned = tuple(planned)
    expanded = []
    for entry in contract.get("entrypoints", []):
        theirs = [example for example in planned if example["call"] == entry["call"]]
        expanded.append(
            {**_expand_entry_point(entry), "planned": [_expand_example(entry, each) for each in theirs]}
        )
    return expanded


def _expand_entry_point(entry: Mapping[str, Any]) -> dict[str, Any]:
    expanded = dict(entry)
    schema = dict(entry["input"])
    if "requires" in entry:
        schema["requires"] = entry["requires"]
    if "construct" in entry:
        schema = {
            "type": "object",
            "constructs": True,
            "properties": {"construct": entry["construct"], "arguments": schema},
            "required": ["construct", "arguments"],
            "additionalProperties": False,
        }
    expanded["input"] = schema
    expanded["examples"] = [_expand_example(entry, example) for example in entry.get("examples", [])]
    return expanded


def _expand_example(entry: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    if "construct" not in entry:
        return dict(example)
    value = {"construct": example.get("construct", {}), "arguments": example["input"]}
    return {**example, "input": value}


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


def _check_entry_point(
    callables: set[str], builders: Mapping[str, bool], entry: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Rule and message of each objection to one entry point."""
    if entry["call"] not in callables:
        yield "missing", "the module defines no such function or method"
    promise_objections = list(check_promise(entry))
    yield from promise_objections
    # With a schema that cannot be used, nothing can be said about the examples.
    if any(rule == "schema" for rule, _ in promise_objections):
        return
    yield from _check_requires(entry)
    for name in sorted(_list_builders(entry) - builders.keys()):
        yield "builder", f"the tests define no function {name} that builds an argument"
    arguments = [*entry["input"].get("properties", {}).values()]
    built_by = [str(each["builder"]) for each in arguments if isinstance(each, Mapping) and "builder" in each]
    all_built = bool(arguments) and len(built_by) == len(arguments)
    if all_built and not any(builders.get(name, True) for name in built_by):
        yield "builder", "every argument is built, and no builder uses what it is given"
    entry = _expand_entry_point(entry)
    for number, example in enumerate(entry.get("examples", []), start=1):
        if not admits(entry["input"], example["input"]):
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
    for side in ("construct", "input", "output"):
        if side not in entry:
            continue
        foreign = next(find_foreign_references(entry[side]), None)
        if foreign is not None:
            yield "schema", f"{side} refers to {foreign[:100]!r}, and only references within it are followed"
            return
        try:
            Draft202012Validator.check_schema(entry[side])
            vacuous_parts = find_vacuous_parts(entry[side])
            unusable = list(find_unusable_patterns(entry[side]))
        # Hostile schemas raise all of these inside jsonschema.
        except (SchemaError, ValueError, KeyError, TypeError, RecursionError, re.error) as error:
            yield "schema", f"{side} is not a usable JSON Schema: {str(error)[:200]}"
            return
        yield from (("schema", f"{side}: {problem}") for problem in unusable)
        for part in vacuous_parts:
            yield "vacuous", f"{side} schema {part}"


def _check_requires(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "requires" not in entry:
        return
    try:
        names = Precondition(entry["requires"]).list_names()
    except ValueError as error:
        yield "requires", f"requires cannot be used: {error}"
        return
    unknown = names - entry["input"].get("properties", {}).keys()
    if unknown or not names:
        listed = ", ".join(sorted(unknown)) or "no argument"
        yield "requires", f"requires is about {listed}, which the input does not have"


def _list_builders(entry: Mapping[str, Any]) -> set[str]:
    """The functions of the test file that make arguments from what a schema admits."""
    found = set()
    for side in ("construct", "input"):
        for schema in entry.get(side, {}).get("properties", {}).values():
            if isinstance(schema, Mapping) and "builder" in schema:
                found.add(str(schema["builder"]))
    return found


def _list_builder_functions(source: str) -> dict[str, bool]:
    """The functions at the top of a test file, and whether each uses its first argument."""
    found = {}
    for node in syntax.parse(source).body:
        if isinstance(node, _FUNCTIONS):
            read = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            found[node.name] = any(argument.arg in read for argument in node.args.args[:1])
    return found


def _list_callables(candidate: Candidate) -> set[str]:
    """Functions at the top, and ``Class.method`` of classes at the top, from the text.

    What the module takes from a private one counts. Methods that a class inherits from another class of the
    block count as its own, one level up.
    """
    body = syntax.parse(candidate.module).body
    private = {name: syntax.parse(text).body for name, text in candidate.private_modules.items()}
    for node in list(body):
        if isinstance(node, ast.ImportFrom) and node.module in private:
            taken = {alias.name for alias in node.names if not alias.asname}
            body += [each for each in private[node.module] if getattr(each, "name", "") in taken]
    every = [*body, *(node for nodes in private.values() for node in nodes)]
    methods = {node.name: _method_names(node) for node in every if isinstance(node, ast.ClassDef)}
    body = [each for node in body for each in list_definitions(ast.Module([node], []))]
    names = {node.name for node in body if isinstance(node, _FUNCTIONS)}
    names |= list_assigned_functions(candidate.module)
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


def check_planned_example(entry: Mapping[str, Any] | None, example: Mapping[str, Any]) -> str:
    """Why no block could keep an example of the plan; empty where one could. ``entry`` is what it calls."""
    if entry is None:
        return "the plan has no such entry point"
    if ("output" in example) == ("raises" in example):
        return "it needs either an output or an exception"
    if "raises" in example:
        known = example["raises"] in entry.get("raises", [])
        return "" if known else f"{example['raises'][:80]} is not among what the entry point raises"
    value = _expand_example(entry, example)["input"]
    schema = _expand_entry_point(entry)["input"]
    if not admits(schema, value) or not holds_requirement(schema, value):
        return "the input schema refuses its input"
    if not admits(entry["output"], example["output"]):
        return "the output schema refuses its output"
    return ""


def find_unkept_examples(
    contract: Mapping[str, Any], planned: Iterable[Mapping[str, Any]]
) -> tuple[Finding, ...]:
    """Planned examples of calls that the contract does not promise, or of input that it does not admit."""
    entries = {entry["call"]: entry for entry in expand_entry_points(contract)}
    found = []
    for number, example in enumerate(planned, start=1):
        entry = entries.get(example["call"])
        if entry is None:
            message = (
                f"{example['call']}: example {number} of the plan calls it, and the contract has no such call"
            )
            found.append(Finding("plan-breach", message, path=CONTRACT_PATH))
            continue
        value = _expand_example(entry, example)["input"]
        accepts = admits(entry["input"], value) and holds_requirement(entry["input"], value)
        if "output" in example and not accepts:
            message = f"{example['call']}: the input schema refuses example {number} of the plan"
            found.append(Finding("plan-breach", message, path=CONTRACT_PATH))
    return tuple(found)


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
