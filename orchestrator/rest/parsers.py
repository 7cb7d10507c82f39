"""JSON in UTF-8, of a bounded size, without the oddities that Python's reader lets through."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from rest_framework.parsers import BaseParser

from orchestrator.rest.problems import Problem

# A context of at most 6 MB is a third longer in base64, and JSON adds escapes.
MAX_BODY_BYTES = 12 * 1024 * 1024


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: readers differ about which of two values counts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:100]!r} comes twice in one object")
        found[name] = value
    return found


class StrictJSONParser(BaseParser):
    """Reads a JSON object of up to ``MAX_BODY_BYTES``.

    NaN, a name that comes twice, a body that is not UTF-8 and a longer one are refused.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> Any:
        """The object in the body of the request."""
        try:
            # One byte more than allowed shows that there is more, without reading all of it.
            raw = stream.read(MAX_BODY_BYTES + 1)
        except RequestDataTooBig as error:
            raise _too_large() from error
        if len(raw) > MAX_BODY_BYTES:
            raise _too_large()
        try:
            # Python reads NaN and Infinity, which are not JSON and which PostgreSQL refuses in jsonb.
            value = json.loads(
                raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_build_object
            )
        except UnicodeDecodeError as error:
            raise Problem(
                400,
                "request:not-utf8",
                f"The body is not UTF-8 (byte {error.start}).",
                cure="Save the feature request as UTF-8.",
            ) from error
        except (ValueError, RecursionError) as error:
            raise Problem(
                400,
                "request:malformed",
                f"The body is not JSON: {error}",
                cure="Send a JSON object in UTF-8 with Content-Type: application/json.",
            ) from error
        if not isinstance(value, dict):
            raise Problem(400, "request:malformed", "The body must be a JSON object.", cure="Send {...}.")
        if _has_odd_text(value):
            raise Problem(
                400,
                "request:not-utf8",
                "The body holds a NUL or half a surrogate pair, which no text can hold.",
                cure="Remove the control characters from the text.",
            )
        return value


def _has_odd_text(value: Any) -> bool:
    """Whether a text anywhere in ``value`` holds what PostgreSQL cannot store: NUL, or a lone surrogate."""
    # A loop and not a recursion: the depth of the body is the client's choice.
    todo = [value]
    while todo:
        match todo.pop():
            case str() as text if "\0" in text or not _is_encodable(text):
                return True
            case dict() as found:
                todo += [*found.keys(), *found.values()]
            case list() as found:
                todo += found
    return False


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_large() -> Problem:
    return Problem(
        413,
        "request:body-too-large",
        f"The body is over {MAX_BODY_BYTES // 1024 // 1024} MB.",
        cure="Send fewer files as context.",
    )
