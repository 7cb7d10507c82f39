"""JSON Schemas that a model wrote, tried in a process that others need: in linear time, without the network.

``re`` takes exponential time for some patterns, and while it does no other thread of the process runs. So
patterns are run by RE2 here. Those that it does not know (looking ahead, references to groups) admit
everything here: a contract with one is refused. The sandbox, which has no RE2, reads them by
``gates.harness.patterns``.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable

from gates.harness.json_schema import FORMATS, NO_OTHER_DOCUMENTS

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = ("const", "enum", "default", "examples")
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
"""Their keys are names and not keywords."""


def admits(schema: Any, value: Any) -> bool:
    """Whether ``schema``, which must have passed ``check_schema``, admits ``value``.

    One that cannot be followed, because a reference leads nowhere or round in circles, admits nothing.
    """
    validator = _LinearValidator(schema, registry=NO_OTHER_DOCUMENTS, format_checker=FORMATS)
    try:
        return bool(validator.is_valid(value))
    except (Unresolvable, RecursionError):
        return False


def find_foreign_references(schema: Any) -> Iterator[str]:
    """Every reference of ``schema`` that leads out of it."""
    # A loop and not a recursion: the depth is the model's choice.
    todo = [schema]
    while todo:
        part = todo.pop()
        if isinstance(part, list):
            todo += part
        elif isinstance(part, dict):
            targets = [part[name] for name in _REFERENCES if isinstance(part.get(name), str)]
            yield from (target for target in targets if not target.startswith("#"))
            for name, inner in part.items():
                if name in _BY_NAME and isinstance(inner, dict):
                    todo += inner.values()
                elif name not in _DATA:
                    todo.append(inner)


@lru_cache(maxsize=1000)
def _compile(pattern: str) -> Any:
    """``pattern`` by RE2; None where it does not know it."""
    try:
        return re2.compile(pattern)
    except re2.error:
        return None


def _matches(pattern: str, text: str) -> bool:
    compiled = _compile(pattern)
    # A lone surrogate, which UTF-8 does not have, is a sign like any other.
    return compiled is None or compiled.search(text.encode("utf-8", "replace").decode()) is not None


def _check_pattern(
    validator: Any,
    pattern: str,
    instance: Any,
    schema: Any,  # noqa: ARG001 - jsonschema's signature
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _check_pattern_properties(
    validator: Any,
    patterns: Mapping[str, Any],
    instance: Any,
    schema: Any,  # noqa: ARG001 - see above
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        if _compile(pattern) is None:
            continue
        for name, value in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _check_additional(
    validator: Any, additional: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if additional is False:
            yield ValidationError(f"{name!r} is not expected")
        else:
            yield from validator.descend(value, additional, path=name)


_by_library = Draft202012Validator.VALIDATORS["unevaluatedProperties"]


def _check_unevaluated(
    validator: Any, unevaluated: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    # What is evaluated depends on every pattern of the schema, which the library runs by ``re``.
    if "patternProperties" not in json.dumps(schema, default=str):
        yield from _by_library(validator, unevaluated, instance, schema) or ()


_LinearValidator = extend(  # type: ignore[no-untyped-call]  # jsonschema has no types for it
    Draft202012Validator,
    {
        "pattern": _check_pattern,
        "patternProperties": _check_pattern_properties,
        "additionalProperties": _check_additional,
        "unevaluatedProperties": _check_unevaluated,
    },
)
