"""The part of JSON Schema that contracts use: formats, references, and strings turned into values.

Schemas and values may be hostile, so what they cost is bounded: patterns take time by the length of the text,
and a validation that follows too many references is given up.
"""

import base64
import re
import threading
from collections.abc import Iterator
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
_NAMED_PARTS = frozenset({"$defs", "definitions", "dependentSchemas", "properties"})


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


def _check_pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "string"):
        return
    try:
        is_found = read_pattern(pattern).matches(value, _budget.spend)
    # Refused in a new contract; of an earlier version it promises nothing that can be checked.
    except (ValueError, re.error):
        return
    if not is_found:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _check_reference(validator: Any, reference: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    _budget.spend(_STEPS_PER_REFERENCE)
    yield from _VALIDATORS["$ref"](validator, reference, value, schema)


_KEYWORDS = {"pattern": _check_pattern, "$ref": _check_reference}
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


def find_unusable_patterns(schema: Any) -> Iterator[str]:
    """Why a pattern of a schema cannot be used, for each of them."""
    if isinstance(schema, list):
        for part in schema:
            yield from find_unusable_patterns(part)
    if not isinstance(schema, dict):
        return
    for keyword, part in schema.items():
        if keyword in _DATA_KEYWORDS:
            continue
        # Their keys are names rather than keywords.
        if keyword in _NAMED_PARTS and isinstance(part, dict):
            yield from find_unusable_patterns(list(part.values()))
            continue
        if keyword == "pattern" and isinstance(part, str):
            try:
                read_pattern(part)
            except (ValueError, re.error, RecursionError) as error:
                yield f"the pattern {part[:60]!r} cannot be used: {str(error)[:120]}"
        elif keyword in ("patternProperties", "$dynamicRef"):
            yield f"{keyword} is not read; use properties, propertyNames or $ref"
        yield from find_unusable_patterns(part)


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
    return make_validator(whole).is_valid(value)


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
