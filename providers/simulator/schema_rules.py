"""Which JSON Schemas the vendors decode answers by, and the check of an answer.

Each vendor takes a part of the language and closes what it takes: a grammar is made from the schema, and the
model can write nothing else. So an answer is checked against the schema as it arrived, not as it was meant.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]

_NOTES: Final = frozenset({"title", "description"})
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs and ``anthropic.transform_schema``
_ANTHROPIC_KNOWS: Final = _NOTES | {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "$ref",
    "$defs",
    "format",
    "default",
}
_ANTHROPIC_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_ANTHROPIC_OPTIONAL: Final = 24
_ANTHROPIC_UNIONS: Final = 16
# https://developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas"
_OPENAI_KNOWS: Final = _NOTES | {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "$defs",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
}
_OPENAI_DEPTH: Final = 10
_OPENAI_PROPERTIES: Final = 5000
_OPENAI_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# https://ai.google.dev/gemini-api/docs/structured-output, "JSON schema support". Where a keyword is
# documented as ignored it is refused here: a caller that counts on it is mistaken.
_GOOGLE_KNOWS: Final = _NOTES | {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "propertyOrdering",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "enum",
    "format",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "$ref",
    "$defs",
    "$id",
    "$anchor",
}
_HOLDERS: Final = ("properties", "$defs")


class SchemaRefused(Exception):
    """The vendor does not take this schema; the message says why, ``place`` leads to the part."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def check_anthropic(schema: Schema) -> None:
    """Raise ``SchemaRefused`` where Claude's structured outputs refuse ``schema``."""
    _check_sound(schema)
    optional = unions = 0
    for place, part in walk_schema(schema):
        _check_known(place, part, _ANTHROPIC_KNOWS)
        if part.get("minItems", 0) not in (0, 1):
            raise SchemaRefused(place, "minItems: only 0 and 1 are supported")
        if "format" in part and part["format"] not in _ANTHROPIC_FORMATS:
            raise SchemaRefused(place, f"format: {part['format']!r} is not supported")
        if part.get("type") == "object" and part.get("additionalProperties") is not False:
            message = "For 'object' type, 'additionalProperties' must be explicitly set to false"
            raise SchemaRefused(place, message)
        optional += len(set(part.get("properties", ())) - set(part.get("required", ())))
        unions += "anyOf" in part or isinstance(part.get("type"), list)
    if optional > _ANTHROPIC_OPTIONAL:
        raise SchemaRefused((), f"Schemas contain too many optional parameters ({optional})")
    if unions > _ANTHROPIC_UNIONS:
        raise SchemaRefused((), f"Schemas contain too many parameters with union types ({unions})")
    _check_recursion(schema)


def check_openai(name: str, schema: Schema, *, strict: bool) -> None:
    """Raise ``SchemaRefused`` where OpenAI's ``json_schema`` refuses ``schema``."""
    if not _OPENAI_NAME.fullmatch(name):
        raise SchemaRefused(
            ("name",), f"Invalid name {name!r}: a-z, A-Z, 0-9, underscores and dashes, at most 64"
        )
    _check_sound(schema)
    if schema.get("type") != "object":
        given = schema.get("type")
        raise SchemaRefused(
            (), f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{given}\"'."
        )
    if not strict:
        return
    properties = 0
    for place, part in walk_schema(schema):
        _check_known(place, part, _OPENAI_KNOWS)
        properties += len(part.get("properties", ()))
        if sum(step in ("properties", "items") for step in place) > 2 * _OPENAI_DEPTH:
            raise SchemaRefused(place, f"the schema is nested more than {_OPENAI_DEPTH} levels deep.")
        _check_closed(place, part)
    if properties > _OPENAI_PROPERTIES:
        raise SchemaRefused((), f"the schema has {properties} properties, at most {_OPENAI_PROPERTIES}.")


def check_google(schema: Schema) -> None:
    """Raise ``SchemaRefused`` where Gemini's ``responseJsonSchema`` refuses ``schema``."""
    _check_sound(schema)
    for place, part in walk_schema(schema):
        _check_known(place, part, _GOOGLE_KNOWS)
        # An object that names nothing is refused in ``responseSchema``; here nobody says what it admits.
        if part.get("type") == "object" and not part.get("properties"):
            raise SchemaRefused(place, "properties: should be non-empty for OBJECT type")
        if "$ref" in part and any(not key.startswith("$") for key in part if key not in _NOTES):
            raise SchemaRefused(place, "a schema with $ref may have no other fields")


def walk_schema(schema: Any, place: Place = ()) -> Iterator[tuple[Place, Schema]]:
    """Yield every schema inside ``schema``, itself included, and the place where it stands."""
    if not isinstance(schema, Mapping):
        return
    yield place, schema
    for holder in _HOLDERS:
        for name, part in (schema.get(holder) or {}).items():
            yield from walk_schema(part, (*place, holder, name))
    for key in ("items", "additionalProperties"):
        yield from walk_schema(schema.get(key), (*place, key))
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, part in enumerate(schema.get(key) or ()):
            yield from walk_schema(part, (*place, key, number))


def check_answer(text: str, schema: Schema) -> None:
    """Raise ``SchemaRefused`` where a model bound to ``schema`` could not write ``text``."""
    try:
        value = json.loads(text)
    except ValueError:
        raise SchemaRefused((), "it is not JSON, and the schema admits nothing else") from None
    fault = best_match(Draft202012Validator(schema).iter_errors(value))
    if fault is not None:
        raise SchemaRefused(tuple(fault.absolute_path), fault.message[:500])


def example_answer(schema: Schema) -> Any:
    """Return the plainest value that ``schema`` admits."""
    return _example_value(schema, schema)


def _example_value(schema: Any, root: Schema) -> Any:
    schema = schema if isinstance(schema, Mapping) else {}
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name:
        return _example_value((root.get("$defs") or {}).get(name), root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    if schema.get("anyOf"):
        return _example_value(schema["anyOf"][0], root)
    kind = schema.get("type", "object")
    if kind == "object":
        known = schema.get("properties") or {}
        return {field: _example_value(known.get(field), root) for field in schema.get("required", ())}
    if kind == "array":
        return [_example_value(schema.get("items"), root)] * int(schema.get("minItems", 0))
    return {"string": "simulated answer", "boolean": True, "null": None}.get(str(kind), 1)


def _check_sound(schema: Schema) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaRefused(tuple(error.absolute_path), error.message[:300]) from error


def _check_known(place: Place, part: Schema, known: frozenset[str]) -> None:
    unknown = sorted(set(part) - known)
    if unknown:
        kind = part.get("type", "any")
        raise SchemaRefused(place, f"For '{kind}' type, property '{unknown[0]}' is not supported")
    if not set(part) & {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"}:
        raise SchemaRefused(place, "schema must have a 'type' key")


def _check_closed(place: Place, part: Schema) -> None:
    """OpenAI's strict mode: every object closed and every property required."""
    if part.get("type") != "object" and "properties" not in part:
        return
    if part.get("additionalProperties") is not False:
        raise SchemaRefused(place, "'additionalProperties' is required to be supplied and to be false.")
    missing = [name for name in part.get("properties", ()) if name not in part.get("required", ())]
    if missing:
        message = (
            "'required' is required to be supplied and to be an array including every key in properties."
        )
        raise SchemaRefused(place, f"{message} Missing '{missing[0]}'.")


def _check_recursion(schema: Schema) -> None:
    """Claude's grammar cannot be made from definitions that contain themselves."""
    defs = schema.get("$defs") or {}
    inside = {
        name: {str(part["$ref"]).rpartition("/")[2] for _, part in walk_schema(whole) if "$ref" in part}
        for name, whole in defs.items()
    }
    for name in defs:
        reached, waiting = set(), list(inside[name])
        while waiting:
            other = waiting.pop()
            if other not in reached:
                reached.add(other)
                waiting.extend(inside.get(other, ()))
        if name in reached:
            raise SchemaRefused(("$defs", name), f"Recursive schemas are not supported: {name}")
