"""JSON on its way out and in: its size before it is sent, its shape when it comes back."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from providers.base import Completion, MalformedAnswer, NetworkPathFailed, PartialAnswer
from providers.failures import error_inside, is_page

# A vendor shows the model a schema in words of its own, which are billed and are not in the request.
SCHEMA_BYTES: Final = 2048
_MOST_TOKENS: Final = 100_000_000


def body_bytes(body: Mapping[str, Any], *, with_schema: bool) -> int:
    """Return the bytes of ``body`` as JSON in UTF-8: never fewer than its tokens."""
    # No token is shorter than a byte, so this bounds the count for every tokenizer.
    size = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    return size + SCHEMA_BYTES if with_schema else size


def parse_json_object(provider: str, body: bytes) -> dict[str, Any]:
    """Parse the JSON object that a success status promised.

    Raises ``MalformedAnswer`` for anything else, and ``NetworkPathFailed`` for a web page: a login, or a base
    URL that is not an API's.
    """
    if not body.strip():
        raise _unreadable(provider, "the answer is empty", body)
    if is_page(body):
        raise NetworkPathFailed(provider, "a web page instead of the provider's API")
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(provider, f"the answer is not JSON: {error}", body) from error
    if not isinstance(parsed, dict):
        raise _unreadable(provider, "the answer is not a JSON object", body)
    return parsed


def _unreadable(provider: str, detail: str, body: bytes) -> MalformedAnswer:
    """Return the error for a body that is not what was promised, with what came: it is charged."""
    error = MalformedAnswer(provider, detail)
    error.partial = PartialAnswer(body.decode("utf-8", "replace"))
    return error


def read_texts(value: Any) -> str:
    """Return all texts inside a response of any shape: no model wrote more than that."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(read_texts(item) for item in value.values())
    if isinstance(value, list | tuple):
        return "\n".join(read_texts(item) for item in value)
    return ""


def read_answer(
    provider: str, raw: dict[str, Any], read: Callable[[dict[str, Any]], Completion]
) -> Completion:
    """Return what ``read`` makes of a vendor's response; every other outcome is a ``ProviderError``.

    A response may carry an error instead of an answer, and its shape is only promised.
    """
    inner = error_inside(provider, raw)
    if inner is not None:
        raise inner
    try:
        return read(raw)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        detail = f"not the answer that was promised: {type(error).__name__}"
        raise MalformedAnswer(provider, detail, raw=raw) from error


def join_texts(parts: Any) -> str:
    """Return the texts of a list of parts, in order; a plain text is a list of one.

    A part without a text has none. Raises ``TypeError`` for anything else.
    """
    if parts is None or isinstance(parts, str):
        return parts or ""
    texts = [part.get("text") or "" for part in parts]
    return "".join(texts)


def check_count(provider: str, counted: Any) -> int:
    """Return a vendor's count of tokens; raises ``MalformedAnswer`` where it cannot be one."""
    if isinstance(counted, bool) or not isinstance(counted, int) or not 0 < counted <= _MOST_TOKENS:
        raise MalformedAnswer(provider, "the count is not a number of tokens")
    return counted
