"""Hold the body of a request against the shape that the vendor's own SDK has types for.

``shapes/*.json`` are made from the SDKs by ``tests/providers/simulator/sdk_shapes.py``, and a test compares
them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

_QUOTED: Final = re.compile(r"'([^']+)'")


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with a body: ``kind`` is unknown, unplayed, missing, value or type.

    ``path`` leads to the field, or for ``missing`` and ``unknown`` to the field that is missing or unknown.
    ``allowed`` is the list of values where there is one, or the type that was expected.
    """

    kind: str
    path: tuple[str | int, ...]
    allowed: tuple[str, ...] = ()
    given: Any = None

    @property
    def field(self) -> str:
        """Return the last name of the path."""
        return str(self.path[-1]) if self.path else ""

    def dotted(self) -> str:
        """Return the path as ``messages.0.content``."""
        return ".".join(map(str, self.path))

    def indexed(self) -> str:
        """Return the path as ``messages[0].content``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".")


def find_violation(shape: str, body: Mapping[str, Any]) -> Violation | None:
    """Return the first fault of ``body`` by the shape's file ``shape``; None where it fits."""
    validator = _read_shape(shape)
    errors = list(validator.iter_errors(body))
    if not errors:
        return None
    causes = _find_cause(errors)
    violation = _describe_error(causes[0])
    if len(causes) > 1:
        wanted = tuple(str(one.validator_value) for one in causes)
        violation = Violation("value", violation.path, wanted, causes[0].instance)
    if violation.kind == "unknown" and violation.field in validator.schema["x-unplayed"]:
        return Violation("unplayed", violation.path)
    return violation


@cache
def _read_shape(shape: str) -> Any:
    text = resources.files(__package__).joinpath("shapes", f"{shape}.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def _find_cause(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """Return the error that says most; several where each alternative wants another constant there."""
    best = min(errors, key=_rank_error)
    while best.validator == "anyOf" and best.context:
        alternatives: dict[Any, list[ValidationError]] = {}
        for error in best.context:
            alternatives.setdefault(error.schema_path[0], []).append(error)
        # A constant such as ``type`` distinguishes alternatives: where it fits, that alternative was meant.
        meant = [given for given in alternatives.values() if not any(map(_is_other, given))]
        if not meant:
            return [error for error in best.context if _is_other(error)]
        best = min((error for given in meant for error in given), key=_rank_error)
    return [best]


def _is_other(error: ValidationError) -> bool:
    return error.validator == "const" and len(error.relative_path) <= 1


def _rank_error(error: ValidationError) -> tuple[int, int]:
    """Rank the deepest first, and of those an unknown field first, as the vendors do."""
    if error.validator == "anyOf" and error.context:
        return min(map(_rank_error, error.context))
    order = ("additionalProperties", "required", "enum")
    place = order.index(error.validator) if error.validator in order else len(order)
    return (-len(error.absolute_path), place)


def _describe_error(error: ValidationError) -> Violation:
    path = tuple(error.absolute_path)
    # jsonschema types these loosely; what they are follows from the keyword.
    schema, instance, wanted = (
        cast(Any, error.schema),
        cast(Any, error.instance),
        cast(Any, error.validator_value),
    )
    if error.validator == "additionalProperties":
        unknown = sorted(set(instance) - set(schema["properties"]))
        return Violation("unknown", (*path, unknown[0]))
    if error.validator == "required":
        quoted = _QUOTED.search(error.message)
        return Violation("missing", (*path, quoted[1] if quoted else ""))
    if error.validator in ("enum", "const"):
        allowed = wanted if error.validator == "enum" else [wanted]
        return Violation("value", path, tuple(map(str, allowed)), instance)
    return Violation("type", path, (str(wanted),), instance)
