"""The part of JSON Schema that contracts use: formats, references, and strings turned into values."""

import base64
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry

FORMATS = FormatChecker()
NO_OTHER_DOCUMENTS: Registry[Any] = Registry()
"""Without it a reference to an address is fetched, wherever it leads."""
_CONVERTED_FORMATS = ("decimal", "date", "date-time", "bytes")
_COMBINATIONS = ("anyOf", "oneOf", "allOf")
_MAX_REFERENCES = 20


@FORMATS.checks("decimal", raises=(InvalidOperation, ValueError))
def _is_decimal(value: object) -> bool:
    return not isinstance(value, str) or Decimal(value).is_finite()


@FORMATS.checks("date-time", raises=ValueError)
def _is_datetime(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@FORMATS.checks("bytes", raises=ValueError)
def _is_base64(value: object) -> bool:
    return not isinstance(value, str) or base64.b64decode(value, validate=True) is not None


def make_validator(schema: Any) -> Draft202012Validator:
    """A validator with formats. ``schema`` must have passed ``check_schema``."""
    return Draft202012Validator(schema, registry=NO_OTHER_DOCUMENTS, format_checker=FORMATS)


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
