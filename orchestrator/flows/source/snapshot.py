"""A snapshot of a repo, as a flow carries it: one canonical JSON text, so that the same files have the same digest."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from blocks.cli.sources import text_or_base64
from orchestrator.flows.evidence import canonical

MAX_PATH = 500


def pack(files: Mapping[str, bytes]) -> bytes:
    """``files`` (path to bytes) as a snapshot."""
    return canonical.json_bytes(as_json(files))


def unpack(packed: bytes) -> dict[str, bytes]:
    """Path to bytes of a snapshot; none of an empty one."""
    return from_json(json.loads(packed)) if packed else {}


def inside(path: str) -> bool:
    """Whether ``path`` is one inside a repo, whatever a caller or a hostile tree calls its files."""
    parts = path.split("/")
    return bool(path) and len(path) <= MAX_PATH and "\\" not in path and not {"", ".", ".."} & set(parts)


def as_json(files: Mapping[str, bytes]) -> dict[str, Any]:
    """``files`` as texts, or as ``{"base64": ...}`` where they are none that JSON and PostgreSQL can hold."""
    return {path: text_or_base64(content) for path, content in sorted(files.items())}


def from_json(files: Mapping[str, Any]) -> dict[str, bytes]:
    """Path to bytes of what ``as_json`` made, or a caller sent in the same form."""
    return {path: _content(shown) for path, shown in files.items()}


def _content(shown: Any) -> bytes:
    return base64.b64decode(shown["base64"]) if isinstance(shown, Mapping) else str(shown).encode()
