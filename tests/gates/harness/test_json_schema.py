"""Drawing from schemas, turning strings into values, and telling schemas that say nothing."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gates.harness.json_schema import convert_formats
from gates.harness.vacuous_schemas import find_vacuous_parts
from gates.harness.value_generator import ValueGenerator

TREE: dict[str, Any] = {
    "type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/tree"}]},
    "$defs": {"tree": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/tree"}]}}},
}  # fmt: skip
SCHEMAS: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 3, "maximum": 5},
    {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5, "maximum": 50},
    {"type": "number", "minimum": -1, "maximum": 1},
    {"type": "string", "minLength": 3, "maxLength": 4},
    {"type": "string", "pattern": "^[A-Z]{2}-\\d+(x|y)?$"},
    {"type": "string", "format": "decimal"},
    {"enum": ["a", 1, None]},
    {"type": ["string", "null"]},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3},
    {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
        "items": False,
        "minItems": 2,
    },
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
    TREE,
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_is_drawn_is_valid_and_drawn_again_the_same(schema: dict[str, Any]) -> None:
    drawn = ValueGenerator(schema, random.Random("seed")).draw_values(60)

    assert len(drawn) == 60
    assert all(Draft202012Validator(schema).is_valid(value) for value in drawn)
    assert drawn == ValueGenerator(schema, random.Random("seed")).draw_values(60)


def test_the_edges_are_drawn() -> None:
    drawn = ValueGenerator(
        {"type": "integer", "minimum": 3, "maximum": 500}, random.Random("seed")
    ).draw_values(60)

    assert {3, 500} <= set(drawn)


def test_formats_become_values() -> None:
    schema = {
        "type": "object",
        "properties": {
            "amounts": {"type": "array", "items": {"type": "string", "format": "decimal"}},
            "day": {"anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]},
            "at": {"type": "string", "format": "date-time"},
            "name": {"type": "string"},
        },
    }
    value = {
        "amounts": ["1.50"],
        "day": "2024-02-29",
        "at": "2024-01-02T03:04:05+00:00",
        "name": "2024-02-29",
    }

    assert convert_formats(schema, value, schema) == {
        "amounts": [Decimal("1.50")],
        "day": date(2024, 2, 29),
        "at": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        "name": "2024-02-29",
    }


@pytest.mark.parametrize(
    ("schema", "empty"),
    [
        ({}, True),
        (True, True),
        ({"type": "object"}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, False),
        ({"type": "object", "required": ["a"]}, True),
        ({"type": "object", "additionalProperties": False}, False),
        ({"type": "object", "additionalProperties": {}}, True),
        ({"type": "array"}, True),
        ({"type": "array", "items": {}}, True),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"anyOf": [{"type": "string"}, {}]}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, False),
        ({"const": 3}, False),
        (TREE, False),
    ],
)
def test_vacuous(schema: Any, empty: bool) -> None:
    assert bool(find_vacuous_parts(schema)) is empty
