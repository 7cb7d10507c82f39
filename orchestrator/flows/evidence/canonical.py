"""The one serialisation of everything that is hashed or signed: UTF-8 JSON, keys sorted, nothing between them."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any


def json_bytes(value: Any) -> bytes:
    """``value`` as canonical JSON; the same value gives the same bytes everywhere."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: ``2026-01-02T00:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
