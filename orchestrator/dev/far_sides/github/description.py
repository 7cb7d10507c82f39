"""GitHub's own description of its API, cut to what is used: what fits it, and what an answer needs."""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema

API: Final = json.loads(Path(__file__).parents[1].joinpath("github_api.json").read_text(encoding="utf-8"))


def make_instance(schema: Mapping[str, Any], known: Any = None) -> Any:
    """A value that fits ``schema``: ``known`` where it says something, the least possible elsewhere."""
    for name in ("anyOf", "oneOf"):
        if name in schema:
            if known is None and {"type": "null"} in schema[name]:
                return None
            return make_instance(schema[name][0], known)
    if "allOf" in schema:
        return make_instance(schema["allOf"][0], known)
    if schema.get("type") == "object":
        given = known or {}
        properties = schema.get("properties", {})
        made = {name: make_instance(one, given.get(name)) for name, one in properties.items()}
        return made | {name: value for name, value in given.items() if name not in properties}
    if known is not None:
        return known
    if "enum" in schema:
        return schema["enum"][0]
    return {
        "array": [],
        "integer": 1,
        "number": 1,
        "boolean": False,
        "string": "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x",
    }.get(schema.get("type", "string"))


@functools.cache
def make_validator(operation: str, status: str) -> jsonschema.Draft202012Validator:
    """What checks the answer of an operation; made once, because its schema is large."""
    return jsonschema.Draft202012Validator(API["operations"][operation]["answers"][status])


@functools.cache
def list_patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """Operations, methods, patterns; those with fewer variables first, because `public-key` is not a name."""
    found = []
    for name in sorted(API["operations"], key=lambda one: one.count("{")):
        method, path = name.split(" ")
        # Only a path of a file and a ref have slashes in them.
        pattern = re.sub(r"\{(path|ref|branch)\}", r"(?P<\1>.+)", path)
        found.append((name, method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))))
    return found
