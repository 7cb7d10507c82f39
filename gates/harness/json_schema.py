"""JSON Schema, as far as contracts use it: values drawn from a schema, values turned into what the function takes."""

import json
import random
import string
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

FORMATS = FormatChecker()
_WORDS = [
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
_DATES = [date(2000, 2, 29), date(1999, 12, 31), date(2024, 1, 1), date(1970, 1, 1), date(2099, 12, 31)]


@FORMATS.checks("decimal", raises=(InvalidOperation, ValueError))
def _is_decimal(value: object) -> bool:
    return not isinstance(value, str) or Decimal(value).is_finite()


@FORMATS.checks("date-time", raises=ValueError)
def _is_datetime(value: object) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def make_validator(schema: Any) -> Draft202012Validator:
    """A validator with formats. ``schema`` must have passed ``check_schema``."""
    return Draft202012Validator(schema, format_checker=FORMATS)


def resolve_reference(schema: Any, root: Any) -> Any:
    """Follow a local ``$ref``. Raises ``ValueError`` for any other."""
    for _ in range(20):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        reference = schema["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise ValueError(f"only references within the contract are followed, not {reference!r}")
        target = root
        for part in [part for part in reference[1:].split("/") if part]:
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = target
    raise ValueError("a reference leads to itself")


def convert_formats(schema: Any, value: Any, root: Any) -> Any:
    """Strings of the formats decimal, date and date-time become ``Decimal``, ``date`` and ``datetime``."""
    if not _has_formats(root):
        return value
    schema = resolve_reference(schema, root)
    if not isinstance(schema, dict):
        return value
    for keyword in ("anyOf", "oneOf", "allOf"):
        for option in schema.get(keyword, []):
            if Draft202012Validator(
                {**resolve_reference(option, root), "$defs": root.get("$defs", {})}, format_checker=FORMATS
            ).is_valid(value):
                value = convert_formats(option, value, root)
    match value:
        case str():
            return _from_text(schema.get("format"), value)
        case list():
            prefix = schema.get("prefixItems", [])
            return [
                convert_formats(prefix[index] if index < len(prefix) else schema.get("items", {}), item, root)
                for index, item in enumerate(value)
            ]
        case dict():
            known, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
            return {key: convert_formats(known.get(key, rest), item, root) for key, item in value.items()}
    return value


def _has_formats(schema: Any) -> bool:
    """Most contracts have none, and to look for the branch that a value took is slow."""
    if isinstance(schema, dict):
        return schema.get("format") in ("decimal", "date", "date-time") or any(
            map(_has_formats, schema.values())
        )
    return isinstance(schema, list) and any(map(_has_formats, schema))


def _from_text(form: Any, value: str) -> Any:
    match form:
        case "decimal":
            return Decimal(value)
        case "date":
            return date.fromisoformat(value)
        case "date-time":
            return datetime.fromisoformat(value)
    return value


class ValueGenerator:
    """Draws values that a schema admits, the edges first."""

    def __init__(self, root: Any, draw: random.Random) -> None:
        self.root, self.draw = root, draw
        self._valid = make_validator(root)

    def inputs(self, count: int) -> list[Any]:
        """Up to ``count`` valid values, fewer where a schema is hard to satisfy by drawing."""
        found: list[Any] = []
        for _ in range(count * 20):
            if len(found) == count:
                break
            value = self._value(self.root, 0)
            if self._valid.is_valid(value):
                found.append(value)
        return found

    def _value(self, schema: Any, depth: int) -> Any:
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
                return self._value(
                    {**{key: item for key, item in schema.items() if key != keyword}, **option}, depth
                )
        if schema.get("allOf"):
            merged = {key: item for key, item in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                merged.update(resolve_reference(part, self.root))
            return self._value(merged, depth)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = self.draw.choice(kind) if isinstance(kind, list) else kind
        return getattr(self, f"_{kind}", self._null)(schema, depth)

    def _null(self, schema: dict[str, Any], depth: int) -> None:
        return None

    def _boolean(self, schema: dict[str, Any], depth: int) -> bool:
        return self.draw.random() < 0.5

    def _integer(self, schema: dict[str, Any], depth: int) -> int:
        step = schema.get("multipleOf", 1)
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1001) + 1)
        high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 1001) - 1)
        low, high = int(-(-low // 1)), int(high // 1)
        value = self.draw.choice(
            [
                low,
                high,
                min(max(0, low), high),
                min(max(1, low), high),
                *(self.draw.randint(min(low, high), high) for _ in range(4)),
            ]
        )
        return int(value // step * step) if step >= 1 else value

    def _number(self, schema: dict[str, Any], depth: int) -> float:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1e6))
        high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 1e6))
        value = self.draw.choice(
            [
                low,
                high,
                min(max(0.0, low), high),
                self.draw.uniform(low, high),
                round(self.draw.uniform(low, high), 2),
            ]
        )
        step = schema.get("multipleOf")
        return float(round(value / step) * step if step else value)

    def _string(self, schema: dict[str, Any], depth: int) -> str:
        form, pattern = schema.get("format"), schema.get("pattern")
        if pattern:
            return self._matching(_parser.parse(pattern))
        if form in ("decimal", "date", "date-time", "time", "uuid", "email"):
            return self._formatted(form)
        low, high = schema.get("minLength", 0), schema.get("maxLength", 200)
        text = (
            self.draw.choice(_WORDS)
            if self.draw.random() < 0.5
            else self._letters(self.draw.randint(low, min(high, low + 20)))
        )
        return (text + self._letters(max(0, low - len(text))))[:high]

    def _letters(self, count: int) -> str:
        return "".join(self.draw.choices(string.ascii_letters + string.digits + " _-.", k=count))

    def _formatted(self, form: str) -> str:
        day = self.draw.choice([*_DATES, date(1970, 1, 1) + timedelta(days=self.draw.randint(0, 40_000))])
        moment = datetime(
            day.year,
            day.month,
            day.day,
            self.draw.randint(0, 23),
            self.draw.randint(0, 59),
            tzinfo=UTC,
        )
        return {
            "decimal": self.draw.choice(
                [*_DECIMALS, f"{self.draw.uniform(-1e6, 1e6):.{self.draw.randint(0, 4)}f}"]
            ),
            "date": day.isoformat(),
            "date-time": moment.isoformat(),
            "time": moment.time().isoformat(),
            "uuid": f"{self.draw.getrandbits(128):032x}",
            "email": f"{self.draw.choice('abcxyz')}{self.draw.randint(0, 99)}@example.org",
        }[form]

    def _matching(self, parsed: Any) -> str:
        """Text for the common parts of regular expressions; the validator throws out what misses."""
        parts = []
        for operator, argument in parsed:
            name = str(operator)
            if name == "LITERAL":
                parts.append(chr(argument))
            elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                low, high, inner = argument
                parts += [
                    self._matching(inner) for _ in range(self.draw.randint(low, min(int(high), low + 6)))
                ]
            elif name == "IN":
                parts.append(self._one_of(argument))
            elif name == "SUBPATTERN":
                parts.append(self._matching(argument[-1]))
            elif name == "BRANCH":
                parts.append(self._matching(self.draw.choice(argument[1])))
            elif name in ("ANY", "NOT_LITERAL", "CATEGORY"):
                parts.append(self.draw.choice("ax7 "))
        return "".join(parts)

    def _one_of(self, options: Any) -> str:
        operator, argument = self.draw.choice([option for option in options if str(option[0]) != "NEGATE"])
        match str(operator):
            case "LITERAL":
                return chr(argument)
            case "RANGE":
                return chr(self.draw.randint(*argument))
        classes = {
            "CATEGORY_DIGIT": string.digits,
            "CATEGORY_WORD": string.ascii_letters + "_0",
            "CATEGORY_SPACE": " \t",
        }
        return self.draw.choice(classes.get(str(argument), "ax7-"))

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        prefix = schema.get("prefixItems", [])
        low = max(schema.get("minItems", 0), len(prefix))
        high = schema.get("maxItems", low + (6 if depth < 4 else 0))
        if schema.get("items") is False:
            high = len(prefix)
        # Schemas that name themselves would grow without end.
        count = self.draw.randint(low, max(low, min(high, low + 8))) if depth < 4 else low
        items = [
            self._value(prefix[index] if index < len(prefix) else schema.get("items", {}), depth + 1)
            for index in range(count)
        ]
        if schema.get("uniqueItems"):
            return list({json.dumps(item, sort_keys=True): item for item in items}.values())
        return items

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = set(schema.get("required", []))
        value = {}
        for key, inner in schema.get("properties", {}).items():
            if key in required or (depth < 6 and self.draw.random() < 0.7):
                value[key] = self._value(inner, depth + 1)
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict) and depth < 6:
            for _ in range(
                self.draw.randint(schema.get("minProperties", 0), schema.get("minProperties", 0) + 3)
            ):
                value[
                    self._value(
                        schema.get("propertyNames", {"type": "string"}) | {"type": "string"}, depth + 1
                    )
                ] = self._value(rest, depth + 1)
        return value


def find_vacuous_parts(
    schema: Any, root: Any, where: str = "#", seen: frozenset[int] = frozenset()
) -> list[str]:
    """Places at which a schema admits everything, as JSON pointers with the reason."""
    if not isinstance(schema, dict) or not schema:
        return [] if schema is False else [f"{where}: admits everything"]
    if id(schema) in seen:
        return []
    seen |= {id(schema)}
    if "$ref" in schema:
        return find_vacuous_parts(resolve_reference(schema, root), root, where, seen)
    if "const" in schema or schema.get("enum"):
        return []
    options = [
        (key, index, option)
        for key in ("anyOf", "oneOf", "allOf")
        for index, option in enumerate(schema.get(key, []))
    ]
    found = [f"{where}: names no type"] if "type" not in schema and not options else []
    for key, index, option in options:
        if key != "allOf" or "type" not in schema:
            found += find_vacuous_parts(
                {
                    **{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "allOf")},
                    **resolve_reference(option, root),
                },
                root,
                f"{where}/{key}/{index}",
                seen,
            )
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if len(set(kinds)) >= 6:
        found.append(f"{where}: admits every type")
    if "object" in kinds and not options:
        found += _vacuous_object(schema, root, where, seen)
    if "array" in kinds and not options:
        found += _vacuous_array(schema, root, where, seen)
    return found


def _vacuous_object(schema: dict[str, Any], root: Any, where: str, seen: frozenset[int]) -> list[str]:
    rest = schema.get("additionalProperties", True)
    closed = rest is False or isinstance(rest, dict)
    found = (
        []
        if closed or schema.get("required")
        else [f"{where}: no property is required and others are admitted"]
    )
    for key in set(schema.get("required", [])) - set(schema.get("properties", {})):
        found.append(f"{where}: requires {key!r} but says nothing about it")
    for key, inner in schema.get("properties", {}).items():
        found += find_vacuous_parts(inner, root, f"{where}/properties/{key}", seen)
    return found + (
        find_vacuous_parts(rest, root, f"{where}/additionalProperties", seen)
        if isinstance(rest, dict)
        else []
    )


def _vacuous_array(schema: dict[str, Any], root: Any, where: str, seen: frozenset[int]) -> list[str]:
    if "items" not in schema and not schema.get("prefixItems"):
        return [f"{where}: an array without items"]
    found = find_vacuous_parts(schema["items"], root, f"{where}/items", seen) if "items" in schema else []
    for index, inner in enumerate(schema.get("prefixItems", [])):
        found += find_vacuous_parts(inner, root, f"{where}/prefixItems/{index}", seen)
    return found
