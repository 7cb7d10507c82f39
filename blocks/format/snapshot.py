"""A snapshot of a repo, as a flow carries it: one canonical JSON text, so that the same files have the
same digest.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from blocks.format.canonical import dump_json


def pack(files: Mapping[str, bytes]) -> bytes:
    """``files`` (path to bytes) as a snapshot."""
    return dump_json(encode_files(files))


def unpack(packed: bytes) -> dict[str, bytes]:
    """Path to bytes of a snapshot that ``pack`` made; no files where ``packed`` is empty."""
    # A flow that carries no snapshot has no bytes; one without files has `{}`.
    return decode_files(json.loads(packed)) if packed else {}


def encode_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """``files`` as texts, or as ``{"base64": ...}`` for bytes that are not text."""
    return {path: encode_content(content) for path, content in sorted(files.items())}


def decode_files(files: Mapping[str, Any]) -> dict[str, bytes]:
    """Path to bytes of what ``encode_files`` made, or a caller sent in the same form."""
    return {path: _decode_content(encoded) for path, encoded in files.items()}


def encode_content(content: bytes) -> Any:
    """A text, or ``{"base64": ...}`` for bytes that no text of JSON and PostgreSQL can hold."""
    # PostgreSQL's JSON cannot hold the character 0, which is valid UTF-8.
    if b"\0" not in content:
        try:
            return content.decode()
        except UnicodeDecodeError:
            pass
    return {"base64": base64.b64encode(content).decode()}


def _decode_content(encoded: Any) -> bytes:
    if isinstance(encoded, Mapping):
        return base64.b64decode(encoded["base64"])
    return str(encoded).encode()
