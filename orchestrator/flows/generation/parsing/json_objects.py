"""One JSON object in a model's answer, checked against its schema."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable
from orchestrator.flows.generation.parsing.plain_text import is_storable, strip_wrapping

_FENCED = re.compile(r"\A\s*(`{3,}|~{3,})[^\n]*\n(.*)\n\s*\1\s*\Z", re.DOTALL)
_REPAIR = "Answer with one JSON object and nothing else: double quotes, no comments, no trailing commas."


def parse_json_object(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The object of an answer that satisfies ``schema``.

    Prose and fences around it are ignored. Where two different objects satisfy the schema the answer is refused, not
    guessed at: one of them may be a quotation of hostile text. Raises ``Unreadable`` (``answer:unparseable``,
    ``answer:ambiguous``, ``answer:schema``, ``answer:too-large``).
    """
    candidates = _candidates(strip_wrapping(text))
    validator = Draft202012Validator(schema)
    valid = [candidate for candidate in candidates if validator.is_valid(candidate)]
    if not valid:
        raise _schema_error(candidates[-1], validator)
    if any(other != valid[0] for other in valid[1:]):
        raise AnswerUnreadable(
            "answer:ambiguous",
            "The answer contains two different objects that fit.",
            "Answer with one object, once; quote none.",
        )
    if not is_storable(json.dumps(valid[0], ensure_ascii=False)):
        raise AnswerUnreadable("answer:unparseable", "The answer holds lone surrogates.", _REPAIR)
    if "\\u0000" in json.dumps(valid[0]):
        raise AnswerUnreadable("answer:unparseable", "The answer holds NUL characters.", _REPAIR)
    return valid[0]


def _candidates(text: str) -> list[dict[str, Any]]:
    """Every outermost object of ``text``; at least one."""
    fenced = _FENCED.match(text)
    whole = fenced[2] if fenced else text
    try:
        value = _load(whole)
    except _Broken as error:
        problem = str(error)
    else:
        if isinstance(value, dict):
            return [value]
        raise AnswerUnreadable(
            "answer:unparseable", f"The answer is JSON but not an object: {type(value).__name__}.", _REPAIR
        )
    found = list(_outermost(whole))
    if not found:
        raise AnswerUnreadable("answer:unparseable", f"The answer is no JSON object: {problem}.", _REPAIR)
    return found


def _outermost(text: str) -> Iterator[dict[str, Any]]:
    position = 0
    while (start := text.find("{", position)) >= 0:
        end = _balanced(text, start)
        if end < 0:
            return
        # A broken object is skipped whole: what lies inside it was not meant to stand alone.
        position = end
        try:
            value = _load(text[start:end])
        except _Broken:
            continue
        if isinstance(value, dict):
            yield value


def _balanced(text: str, start: int) -> int:
    """Where the braces opened at ``start`` are closed, as an end index; -1 if they never are."""
    depth, quoted, position = 0, False, start
    while position < len(text):
        char = text[position]
        if quoted and char == "\\":
            position += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "{}":
            depth += 1 if char == "{" else -1
            if depth == 0:
                return position + 1
        position += 1
    return -1


class _Broken(Exception):
    """Not JSON as we read it."""


def _load(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _Broken(str(error)[:200]) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are unique: with a key twice, two readers would read two verdicts."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _schema_error(candidate: Mapping[str, Any], validator: Draft202012Validator) -> AnswerUnreadable:
    errors = sorted(
        validator.iter_errors(candidate), key=lambda error: [str(part) for part in error.absolute_path]
    )
    said = "; ".join(f"{error.json_path}: {error.message[:160]}" for error in errors[:5])
    return AnswerUnreadable(
        "answer:schema", f"The answer does not fit its schema: {said}.", f"Mend these fields: {said}."
    )
