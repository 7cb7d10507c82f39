"""Draws values that a JSON Schema admits, for calls that nobody wrote down."""

import base64
import json
import random
import string
from datetime import UTC, date, datetime, timedelta
from re import _parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any

from gates.harness.json_schema import make_validator, resolve_reference
from gates.harness.preconditions import Precondition

# Texts that break careless code: empty, numbers as text, blanks, other scripts, quotes, markup, control
# characters, length.
_ODD_TEXTS = [
    "",
    "a",
    "0",
    "-1",
    "null",
    " ",
    "Zürich",
    "naïve café",
    "日本語",
    "'; --",
    "<b>",
    "line\nbreak",
    "\t",
    "A" * 64,
    "%s",
    "../x",
    "\U0001d518",
]
_DECIMALS = ["0", "1", "0.01", "-1", "100", "0.1", "1234567.89", "-0.005", "999999999999.99", "33.333333"]
# A leap day, ends and beginnings of years, the epoch.
_DATES = [date(2000, 2, 29), date(1999, 12, 31), date(2024, 1, 1), date(1970, 1, 1), date(2099, 12, 31)]
_EPOCH = date(1970, 1, 1)
_DRAWN_FORMATS = ("decimal", "date", "date-time", "time", "uuid", "email", "bytes")
_CHARACTER_CLASSES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": string.ascii_letters + "_0",
    "CATEGORY_SPACE": " \t",
}
_OTHER_CHARACTERS = "ax7-"
_TRIES_PER_VALUE = 20
_MAX_ADMITTED = 1000
# Below these depths, optional parts are left out: a schema that refers to itself would grow without end.
_MAX_ARRAY_DEPTH, _MAX_OBJECT_DEPTH = 4, 6


class ValueGenerator:
    """Draws valid values of the schema ``root``, the edges first. The same ``draw`` gives the same values."""

    def __init__(self, root: Any, draw: random.Random) -> None:
        self.root, self.draw = root, draw
        self._validator = make_validator(root)
        # What the schema admits, with or without the precondition.
        self.admitted: set[str] = set()

    def draw_values(self, count: int) -> list[Any]:
        """Up to ``count`` valid values; fewer where a schema is hard to satisfy by drawing."""
        found: list[Any] = []
        for _ in range(count * _TRIES_PER_VALUE):
            if len(found) == count:
                break
            value = self._draw_value(self.root, 0)
            # Not every keyword is understood here; the validator has the last word.
            if self.accepts(value):
                found.append(value)
        return found

    def accepts(self, value: Any) -> bool:
        """Whether the schema admits ``value`` and its precondition holds."""
        if not self._validator.is_valid(value):
            return False
        if len(self.admitted) < _MAX_ADMITTED:
            self.admitted.add(json.dumps(value, sort_keys=True))
        return holds_requirement(self.root, value)

    def _draw_value(self, schema: Any, depth: int) -> Any:
        schema = resolve_reference(schema, self.root)
        if not isinstance(schema, dict):
            return self.draw.choice([None, 0, "x"])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.draw.choice(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                option = resolve_reference(self.draw.choice(schema[keyword]), self.root)
                return self._draw_value({**_without(schema, keyword), **option}, depth)
        if schema.get("allOf"):
            merged = _without(schema, "allOf")
            for part in schema["allOf"]:
                merged.update(resolve_reference(part, self.root))
            return self._draw_value(merged, depth)
        return self._draw_of_type(schema, depth)

    def _draw_of_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = self.draw.choice(kind)
        match kind:
            case "boolean":
                return self.draw.random() < 0.5
            case "integer":
                return self._draw_integer(schema)
            case "number":
                return self._draw_number(schema)
            case "string":
                return self._draw_string(schema)
            case "array":
                return self._draw_array(schema, depth)
            case "object":
                return self._draw_object(schema, depth)
        return None

    def _draw_integer(self, schema: dict[str, Any]) -> int:
        step = schema.get("multipleOf", 1)
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1001) + 1)
        high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 1001) - 1)
        # Bounds may be fractions: round inwards.
        low, high = int(-(-low // 1)), int(high // 1)
        zero, one = min(max(0, low), high), min(max(1, low), high)
        between = [self.draw.randint(min(low, high), high) for _ in range(4)]
        value = self.draw.choice([low, high, zero, one, *between])
        return int(value // step * step) if step >= 1 else value

    def _draw_number(self, schema: dict[str, Any]) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1e6))
        high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 1e6))
        zero = min(max(0.0, low), high)
        between = self.draw.uniform(low, high)
        rounded = round(self.draw.uniform(low, high), 2)
        value = self.draw.choice([low, high, zero, between, rounded])
        step = schema.get("multipleOf")
        return float(round(value / step) * step if step else value)

    def _draw_string(self, schema: dict[str, Any]) -> str:
        form, pattern = schema.get("format"), schema.get("pattern")
        if pattern:
            return self._draw_matching(_parser.parse(pattern))
        if form in _DRAWN_FORMATS:
            return self._draw_format(form)
        low, high = schema.get("minLength", 0), schema.get("maxLength", 200)
        if self.draw.random() < 0.5:
            text = self.draw.choice(_ODD_TEXTS)
        else:
            text = self._draw_letters(self.draw.randint(low, min(high, low + 20)))
        padding = self._draw_letters(max(0, low - len(text)))
        return (text + padding)[:high]

    def _draw_letters(self, count: int) -> str:
        return "".join(self.draw.choices(string.ascii_letters + string.digits + " _-.", k=count))

    def _draw_format(self, form: str) -> str:
        match form:
            case "decimal":
                digits = self.draw.randint(0, 4)
                return self.draw.choice([*_DECIMALS, f"{self.draw.uniform(-1e6, 1e6):.{digits}f}"])
            case "uuid":
                return f"{self.draw.getrandbits(128):032x}"
            case "bytes":
                return base64.b64encode(self.draw.randbytes(self.draw.choice([0, 1, 2, 7, 40]))).decode()
            case "email":
                return f"{self.draw.choice('abcxyz')}{self.draw.randint(0, 99)}@example.org"
        day = self.draw.choice([*_DATES, _EPOCH + timedelta(days=self.draw.randint(0, 40_000))])
        if form == "date":
            return day.isoformat()
        hour, minute = self.draw.randint(0, 23), self.draw.randint(0, 59)
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
        return moment.time().isoformat() if form == "time" else moment.isoformat()

    def _draw_matching(self, parsed: Any) -> str:
        """Text for the common parts of a regular expression, which ``re`` has parsed.

        What it does not know (look-arounds, back references) is left out; the validator refuses what does not
        match.
        """
        parts = []
        for operator, argument in parsed:
            match str(operator):
                case "LITERAL":
                    parts.append(chr(argument))
                case "MAX_REPEAT" | "MIN_REPEAT":
                    low, high, inner = argument
                    # "*" has no upper end.
                    count = self.draw.randint(low, min(int(high), low + 6))
                    parts += [self._draw_matching(inner) for _ in range(count)]
                case "IN":
                    parts.append(self._draw_from_set(argument))
                case "SUBPATTERN":
                    parts.append(self._draw_matching(argument[-1]))
                case "BRANCH":
                    parts.append(self._draw_matching(self.draw.choice(argument[1])))
                case "ANY" | "NOT_LITERAL" | "CATEGORY":
                    parts.append(self.draw.choice("ax7 "))
        return "".join(parts)

    def _draw_from_set(self, members: Any) -> str:
        """One character of ``[...]``."""
        usable = [member for member in members if str(member[0]) != "NEGATE"]
        operator, argument = self.draw.choice(usable)
        match str(operator):
            case "LITERAL":
                return chr(argument)
            case "RANGE":
                return chr(self.draw.randint(*argument))
        return self.draw.choice(_CHARACTER_CLASSES.get(str(argument), _OTHER_CHARACTERS))

    def _draw_array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        prefix = schema.get("prefixItems", [])
        rest = schema.get("items", {})
        low = max(schema.get("minItems", 0), len(prefix))
        high = schema.get("maxItems", low + 6)
        if rest is False:
            high = len(prefix)
        count = low
        if depth < _MAX_ARRAY_DEPTH:
            count = self.draw.randint(low, max(low, min(high, low + 8)))
        items = []
        for index in range(count):
            item_schema = prefix[index] if index < len(prefix) else rest
            items.append(self._draw_value(item_schema, depth + 1))
        # Equal items are equal as JSON, even with different types in Python.
        if schema.get("uniqueItems"):
            return list({json.dumps(item, sort_keys=True): item for item in items}.values())
        return items

    def _draw_object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = set(schema.get("required", []))
        value = {}
        for key, inner in schema.get("properties", {}).items():
            if key in required or (depth < _MAX_OBJECT_DEPTH and self.draw.random() < 0.7):
                value[key] = self._draw_value(inner, depth + 1)
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict) and depth < _MAX_OBJECT_DEPTH:
            names = schema.get("propertyNames", {}) | {"type": "string"}
            fewest = schema.get("minProperties", 0)
            for _ in range(self.draw.randint(fewest, fewest + 3)):
                item = self._draw_value(rest, depth + 1)
                value[self._draw_value(names, depth + 1)] = item
        return value


def holds_requirement(schema: Any, value: Any) -> bool:
    """Whether the precondition of an entry point holds, where its schema carries one."""
    if not isinstance(schema, dict):
        return True
    if schema.get("constructs"):
        return holds_requirement(schema["properties"]["arguments"], value["arguments"])
    return "requires" not in schema or Precondition(schema["requires"]).holds(value)


def _without(schema: dict[str, Any], keyword: str) -> dict[str, Any]:
    return {key: item for key, item in schema.items() if key != keyword}
