"""Finds the parts of a JSON Schema that admit everything: a contract with one promises nothing."""

from typing import Any

from gates.harness.json_schema import resolve_reference

_COMBINATIONS = ("anyOf", "oneOf", "allOf")
# null, boolean, object, array, number, string; "integer" is a part of "number".
_TYPE_COUNT = 6
# Two references to what has two references, and so on, would take for ever.
_MAX_VISITS = 10_000


def find_vacuous_parts(schema: Any) -> list[str]:
    """Places at which ``schema`` admits everything, as JSON pointers with the reason.

    Raises ``ValueError`` for a reference that cannot be followed, and for references that multiply.
    """
    return _VacuityCheck(schema).check_schema(schema, "#", frozenset())


class _VacuityCheck:
    """One walk over one schema; references are resolved against ``root``."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._visits = 0

    def check_schema(self, schema: Any, where: str, seen: frozenset[int]) -> list[str]:
        """``seen`` holds the parts on the way down, so that a schema that refers to itself ends the walk."""
        self._visits += 1
        if self._visits > _MAX_VISITS:
            raise ValueError(f"its references lead to more than {_MAX_VISITS} parts")
        if not isinstance(schema, dict) or not schema:
            return [] if schema is False else [f"{where}: admits everything"]
        if id(schema) in seen:
            return []
        seen |= {id(schema)}
        if "$ref" in schema:
            return self.check_schema(resolve_reference(schema, self.root), where, seen)
        if "const" in schema or schema.get("enum"):
            return []
        combined = any(schema.get(keyword) for keyword in _COMBINATIONS)
        found = []
        if "type" not in schema and not combined:
            found.append(f"{where}: names no type")
        found += self._check_options(schema, where, seen)
        kinds = schema.get("type", [])
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if len(set(kinds)) >= _TYPE_COUNT:
            found.append(f"{where}: admits every type")
        # With options, the parts beside them were checked together with each option.
        if "object" in kinds and not combined:
            found += self._check_object(schema, where, seen)
        if "array" in kinds and not combined:
            found += self._check_array(schema, where, seen)
        return found

    def _check_options(self, schema: dict[str, Any], where: str, seen: frozenset[int]) -> list[str]:
        beside = {key: value for key, value in schema.items() if key not in _COMBINATIONS}
        found = []
        for keyword in _COMBINATIONS:
            # allOf only narrows: beside a type of its own it cannot make a schema vacuous.
            if keyword == "allOf" and "type" in schema:
                continue
            for index, option in enumerate(schema.get(keyword, [])):
                merged = {**beside, **resolve_reference(option, self.root)}
                found += self.check_schema(merged, f"{where}/{keyword}/{index}", seen)
        return found

    def _check_object(self, schema: dict[str, Any], where: str, seen: frozenset[int]) -> list[str]:
        rest = schema.get("additionalProperties", True)
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        closed = rest is False or isinstance(rest, dict)
        found = []
        if not closed and not required:
            found.append(f"{where}: no property is required and others are admitted")
        for key in set(required) - set(properties):
            found.append(f"{where}: requires {key!r} but says nothing about it")
        for key, inner in properties.items():
            found += self.check_schema(inner, f"{where}/properties/{key}", seen)
        if isinstance(rest, dict):
            found += self.check_schema(rest, f"{where}/additionalProperties", seen)
        return found

    def _check_array(self, schema: dict[str, Any], where: str, seen: frozenset[int]) -> list[str]:
        prefix = schema.get("prefixItems", [])
        if "items" not in schema and not prefix:
            return [f"{where}: an array without items"]
        found = []
        if "items" in schema:
            found += self.check_schema(schema["items"], f"{where}/items", seen)
        for index, inner in enumerate(prefix):
            found += self.check_schema(inner, f"{where}/prefixItems/{index}", seen)
        return found
