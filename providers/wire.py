"""JSON on its way out and in: its size before it is sent, its shape when it comes back."""

import json
from collections.abc import Mapping
from typing import Any, Final

from providers.base import MalformedAnswer

# A vendor shows the model a schema in words of its own, which are billed and are not in the request.
SCHEMA_BYTES: Final = 2048


def body_bytes(body: Mapping[str, Any], *, with_schema: bool) -> int:
    """Return the bytes of ``body`` as JSON in UTF-8: never fewer than its tokens."""
    # No token is shorter than a byte, so this bounds the count for every tokenizer.
    size = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    return size + SCHEMA_BYTES if with_schema else size


def parse_json_object(provider: str, body: bytes) -> dict[str, Any]:
    """Parse the JSON object that a success status promised; raises ``MalformedAnswer`` for anything else."""
    if not body.strip():
        raise MalformedAnswer(provider, "the answer is empty")
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise MalformedAnswer(provider, f"the answer is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise MalformedAnswer(provider, "the answer is not a JSON object")
    return parsed
