"""The part of JSON Schema that contracts use: formats, references, and strings turned into values.

Schemas and values may be hostile, so what they cost is bounded: patterns take time by the length of the text,
and a validation that follows too many references is given up.
"""

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from gates.harness.patterns import read_pattern

FORMATS = FormatChecker()
NO_OTHER_DOCUMENTS: Registry[Any] = Registry()
"""Without it a reference to an address is fetched, wherever it leads."""
_CONVERTED_FORMATS = ("decimal", "date", "date-time", "bytes")
_COMBINATIONS = ("anyOf", "oneOf", "allOf")
_MAX_REFERENCES = 20
# Of one validation: a reference counts as many, and each state that a pattern is in at a character as one.
_MAX_STEPS, _STEPS_PER_REFERENCE = 3_000_000, 100
# What they hold is data rather than schemas.
_DATA_KEYWORDS = frozenset({"const", "default", "enum", "examples"})
# Their keys are names rather than keywords.
_NAMED_PARTS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_UNREAD_KEYWORDS = frozenset({"$dynamicRef", "patternProperties"})


@FORMATS.checks("decimal", raises=(InvalidOperation, ValueError))
def _is_decimal(value: object) -> bool:
    return not isinstance(value, str) or Decimal(value).is_finite()


@FORMATS.checks("date-time", raises=ValueError)
def _is_datetime(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@FORMATS.checks("bytes", raises=ValueError)
def _is_base64(value: object) -> bool:
    return not isinstance(value, str) or base64.b64decode(value, validate=True) is not None


class _TooCostly(Exception):
    """A validation took more steps than it may."""


class _Budget(threading.local):
    """The steps that are left to the validation of a thread."""

    steps = 0

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _TooCostly


_budget = _Budget()
_VALIDATORS = Draft202012Validator.VALIDATORS


def _matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` is found in ``text``, or cannot be used."""
    try:
        return read_pattern(pattern).matches(text, _budget.spend)
    # Refused in a new contract; of an earlier version it promises nothing that can be checked.
    except (ValueError, re.error):
        return True


def _check_pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not _matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _check_pattern_properties(
    validator: Any, patterns: Mapping[str, Any], value: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for pattern, inner in patterns.items():
        if _explain_unusable(pattern):
            continue
        for name, item in value.items():
            if _matches(pattern, name):
                yield from validator.descend(item, inner, path=name, schema_path=pattern)


def _check_additional(
    validator: Any, additional: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in value.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if additional is False:
            yield ValidationError(f"{name!r} is not expected")
        else:
            yield from validator.descend(item, additional, path=name)


def _check_unevaluated(
    validator: Any, unevaluated: Any, value: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # What is evaluated depends on every pattern of the schema, which the library runs by ``re``.
    if "patternProperties" not in json.dumps(schema, default=str):
        yield from _VALIDATORS["unevaluatedProperties"](validator, unevaluated, value, schema) or ()


def _check_reference(validator: Any, reference: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    _budget.spend(_STEPS_PER_REFERENCE)
    yield from _VALIDATORS["$ref"](validator, reference, value, schema)


_KEYWORDS = {
    "$ref": _check_reference,
    "additionalProperties": _check_additional,
    "pattern": _check_pattern,
    "patternProperties": _check_pattern_properties,
    "unevaluatedProperties": _check_unevaluated,
}
_Validator: Any = extend(Draft202012Validator, _KEYWORDS)  # type: ignore[no-untyped-call]


class BoundedValidator:
    """Holds values against one schema, at a bounded cost."""

    def __init__(self, schema: Any) -> None:
        self._validator = _Validator(schema, registry=NO_OTHER_DOCUMENTS, format_checker=FORMATS)

    def is_valid(self, value: Any) -> bool:
        """Whether the schema admits ``value``; one that costs too much is not admitted."""
        return next(self.iter_errors(value), None) is None

    def iter_errors(self, value: Any) -> Iterator[ValidationError]:
        """Why the schema does not admit ``value``."""
        _budget.steps = _MAX_STEPS
        try:
            yield from self._validator.iter_errors(value)
        except (_TooCostly, RecursionError, Unresolvable):
            yield ValidationError("cannot be checked against the schema, or not in time")


def make_validator(schema: Any) -> BoundedValidator:
    """A validator with formats. ``schema`` must have passed ``check_schema``."""
    return BoundedValidator(schema)


def admits(schema: Any, value: Any) -> bool:
    """Whether ``schema``, which must have passed ``check_schema``, admits ``value``."""
    return make_validator(schema).is_valid(value)


def find_foreign_references(schema: Any) -> Iterator[str]:
    """Every reference of ``schema`` that leads out of it."""
    for part in _list_parts(schema):
        targets = [part[name] for name in _REFERENCES if isinstance(part.get(name), str)]
        yield from (target for target in targets if not target.startswith("#"))


def find_unusable_patterns(schema: Any) -> Iterator[str]:
    """Why a pattern of a schema cannot be used, for each of them."""
    for part in _list_parts(schema):
        pattern = part.get("pattern")
        if isinstance(pattern, str) and (reason := _explain_unusable(pattern)):
            yield f"the pattern {pattern[:60]!r} cannot be used: {reason[:120]}"
        for keyword in _UNREAD_KEYWORDS & part.keys():
            yield f"{keyword} is not read; use properties, propertyNames or $ref"


def _explain_unusable(pattern: str) -> str:
    """Why ``pattern`` cannot be used; empty where it can."""
    try:
        read_pattern(pattern)
    except (ValueError, re.error, RecursionError) as error:
        return str(error) or type(error).__name__
    return ""


def _list_parts(schema: Any) -> Iterator[dict[str, Any]]:
    """``schema`` and every schema inside it."""
    # A loop and not a recursion: the depth is the author's choice.
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            yield part
            for keyword, inner in part.items():
                if keyword in _NAMED_PARTS and isinstance(inner, dict):
                    waiting += inner.values()
                elif keyword not in _DATA_KEYWORDS:
                    waiting.append(inner)


def resolve_reference(schema: Any, root: Any) -> Any:
    """Follow a local ``$ref``. Raises ``ValueError`` for any other, and for one that leads to itself."""
    for _ in range(_MAX_REFERENCES):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise ValueError(f"only references within the contract are followed, not {reference!r}")
        schema = _follow_pointer(reference[1:], root)
    raise ValueError("a reference leads to itself")


def _follow_pointer(pointer: str, root: Any) -> Any:
    """The part of ``root`` that a JSON pointer (RFC 6901) names."""
    target = root
    for part in pointer.split("/"):
        if part:
            # "~1" first: "~01" means "~1", not "/".
            target = target[part.replace("~1", "/").replace("~0", "~")]
    return target


def convert_formats(schema: Any, value: Any, root: Any) -> Any:
    """Turn strings of the formats decimal, date, date-time and bytes (base64) into such values."""
    # Most contracts have no such format, and to look for the branch that a value took is slow.
    if not _has_converted_format(root):
        return value
    schema = resolve_reference(schema, root)
    if not isinstance(schema, dict):
        return value
    # A value takes the formats of every branch that accepts it.
    for keyword in _COMBINATIONS:
        for option in schema.get(keyword, []):
            if _accepts(option, value, root):
                value = convert_formats(option, value, root)
    match value:
        case str():
            return _convert_text(schema.get("format"), value)
        case list():
            return _convert_items(schema, value, root)
        case dict():
            known, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
            return {key: convert_formats(known.get(key, rest), item, root) for key, item in value.items()}
    return value


def _accepts(option: Any, value: Any, root: Any) -> bool:
    whole = {**resolve_reference(option, root), "$defs": root.get("$defs", {})}
    return admits(whole, value)


def _convert_items(schema: dict[str, Any], items: list[Any], root: Any) -> list[Any]:
    prefix = schema.get("prefixItems", [])
    rest = schema.get("items", {})
    converted = []
    for index, item in enumerate(items):
        item_schema = prefix[index] if index < len(prefix) else rest
        converted.append(convert_formats(item_schema, item, root))
    return converted


def _has_converted_format(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_has_converted_format, schema))
    if not isinstance(schema, dict):
        return False
    return schema.get("format") in _CONVERTED_FORMATS or any(map(_has_converted_format, schema.values()))


def _convert_text(form: Any, value: str) -> Any:
    match form:
        case "decimal":
            return Decimal(value)
        case "date":
            return date.fromisoformat(value)
        case "date-time":
            return datetime.fromisoformat(value)
        case "bytes":
            return base64.b64decode(value)
    return value
