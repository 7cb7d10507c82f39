"""One JSON object in a model's answer, checked against its schema.

A part of it whose shape cannot be said beforehand (a JSON Schema, the arguments of a call) travels as text:
the vendors' grammars would close it to ``{}``. ``make_text_field`` describes such a part, and the parser
returns what the text says.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable
from orchestrator.flows.generation.parsing.plain_text import is_storable, strip_wrapping

_FENCE = re.compile(r"`{3,}|~{3,}")
_REPAIR = "Answer with one JSON object and nothing else: double quotes, no comments, no trailing commas."
_JSON = "application/json"


def make_text_field(description: str, inner: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a string that holds JSON text; ``inner`` is the schema of what the text says."""
    return {
        "type": "string",
        "contentMediaType": _JSON,
        "contentSchema": inner,
        "description": f"{description}, as JSON text inside this string",
    }


def parse_json_object(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The object of an answer that satisfies ``schema``, with the JSON inside its text fields parsed.

    A model that no grammar binds may give the JSON itself in place of the text. Prose and fences around it
    are ignored. Where two different objects satisfy the schema, the answer is rejected: one of them may be a
    quotation of hostile text. Raises ``AnswerUnreadable`` (``answer:unparseable``, ``answer:ambiguous``,
    ``answer:schema``, ``answer:too-large``).
    """
    candidates: list[dict[str, Any]] = [
        _parse_text_fields(found, schema) for found in _find_candidates(strip_wrapping(text))
    ]
    validator = Draft202012Validator(_describe_parsed(schema))
    valid = [candidate for candidate in candidates if validator.is_valid(candidate)]
    if not valid:
        # Models draft first and answer last, so the last object is the one to explain.
        raise _schema_error(candidates[-1], validator)
    # The same object twice is a repetition and does no harm.
    if any(other != valid[0] for other in valid[1:]):
        raise AnswerUnreadable(
            "answer:ambiguous",
            "The answer contains two different objects that fit.",
            "Answer with one object, once; quote none.",
        )
    if not is_storable(json.dumps(valid[0], ensure_ascii=False)):
        raise AnswerUnreadable("answer:unparseable", "The answer holds lone surrogates.", _REPAIR)
    # JSON writes NUL as an escape, which the check above cannot see and PostgreSQL does not store in jsonb.
    if "\\u0000" in json.dumps(valid[0]):
        raise AnswerUnreadable("answer:unparseable", "The answer holds NUL characters.", _REPAIR)
    return valid[0]


def _find_candidates(text: str) -> list[dict[str, Any]]:
    """Every outermost object of ``text``; at least one. Raises ``AnswerUnreadable``."""
    whole = _strip_fence(text)
    # The usual case first: the whole answer is JSON, and no search can pick a wrong part of it.
    try:
        value = _load_json(whole)
    except _NotJson as error:
        problem = str(error)
    else:
        if isinstance(value, dict):
            return [value]
        raise AnswerUnreadable(
            "answer:unparseable", f"The answer is JSON but not an object: {type(value).__name__}.", _REPAIR
        )
    found = list(_find_objects(whole))
    if not found:
        raise AnswerUnreadable("answer:unparseable", f"The answer is not a JSON object: {problem}.", _REPAIR)
    return found


def _strip_fence(text: str) -> str:
    """What is between the first line of ``text`` and its last one, where both are fences."""
    # By hand: a pattern would look for the last line again behind each of a million line breaks.
    plain = text.strip()
    opening = _FENCE.match(plain)
    inside, _, closing = plain.partition("\n")[2].rpartition("\n")
    fences = (
        opening is not None and _FENCE.fullmatch(closing.strip()) and opening[0].startswith(closing.strip())
    )
    return inside if fences else text


def _parse_text_fields(value: Any, schema: Mapping[str, Any]) -> Any:
    """``value`` with the JSON of its text fields parsed.

    Text that is not JSON becomes the reason why, which the schema then refuses.
    """
    # Nothing below is a text field. A hostile answer nests deeper than Python recurses.
    if not schema:
        return value
    if schema.get("contentMediaType") == _JSON and isinstance(value, str):
        try:
            return _load_json(value)
        except _NotJson as error:
            return _BrokenText(f"the text is not JSON: {error}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {key: _parse_text_fields(inner, known.get(key, {})) for key, inner in value.items()}
    if isinstance(value, list):
        return [_parse_text_fields(inner, schema.get("items", {})) for inner in value]
    return value


class _BrokenText(str):
    """The text of a text field that is not JSON, replaced by why: it is quoted to the model."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _describe_parsed(schema: Any) -> Any:
    """``schema`` with each text field replaced by the schema of what its text says."""
    if isinstance(schema, list):
        return [_describe_parsed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("contentMediaType") == _JSON:
        return schema["contentSchema"]
    return {key: _describe_parsed(part) for key, part in schema.items()}


def _find_objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost objects between other text, in order."""
    position = 0
    while (start := text.find("{", position)) >= 0:
        end = _find_closing_brace(text, start)
        if end < 0:
            return
        # A broken object is skipped whole: an object inside it is a part, not an answer.
        position = end
        try:
            value = _load_json(text[start:end])
        except _NotJson:
            continue
        if isinstance(value, dict):
            yield value


def _find_closing_brace(text: str, start: int) -> int:
    """Where the braces opened at ``start`` are closed, as an end index; -1 if they never are."""
    # By hand: trying every end with the parser would take quadratic time on hostile text.
    depth, quoted, position = 0, False, start
    while position < len(text):
        char = text[position]
        if quoted and char == "\\":
            # The next character is escaped: a quote there does not end the string.
            position += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return position + 1
        position += 1
    return -1


class _NotJson(Exception):
    """Text that is not JSON, by the strict rules of this module."""


def _load_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_reject_repeated_keys, parse_constant=_reject_constant)
    # A few thousand opening brackets exhaust the stack of the parser.
    except (ValueError, RecursionError) as error:
        raise _NotJson(str(error)[:200]) from error


def _reject_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of ``pairs``. Raises ``ValueError`` if a key appears twice."""
    # Parsers disagree on which of the two counts, so two readers could read two different verdicts.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _reject_constant(name: str) -> Any:
    """Reject ``NaN`` and ``Infinity``, which Python accepts although JSON does not have them."""
    raise ValueError(f"{name} is not JSON")


def _schema_error(candidate: Mapping[str, Any], validator: Draft202012Validator) -> AnswerUnreadable:
    # Sorted: the second question must be the same in every attempt, so that the ledger can replay it.
    errors = sorted(
        validator.iter_errors(candidate), key=lambda error: [str(part) for part in error.absolute_path]
    )
    problems = "; ".join(f"{error.json_path}: {error.message[:160]}" for error in errors[:5])
    return AnswerUnreadable(
        "answer:schema",
        f"The answer does not fit its schema: {problems}.",
        f"Correct these fields: {problems}.",
    )
