"""Signs and checks webhooks."""

import base64
import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


class SignatureError(Exception):
    """The signature does not fit the body."""


def _canonical(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def sign(payload: Mapping[str, Any], key: str, timestamp: int) -> str:
    """The header ``t=...,v1=...`` for ``payload``."""
    message = str(timestamp).encode() + b"." + _canonical(payload)
    digest = hmac.new(key.encode(), message, sha256).digest()
    return f"t={timestamp},v1={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def verify(payload: Mapping[str, Any], key: str, header: str, now: int, tolerance: int = 300) -> int:
    """The age of the signature in seconds."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    try:
        timestamp = int(parts["t"])
    except (KeyError, ValueError):
        raise SignatureError("malformed header") from None
    if not hmac.compare_digest(sign(payload, key, timestamp), header):
        raise SignatureError("wrong signature")
    age = now - timestamp
    if not 0 <= age <= tolerance:
        raise SignatureError("too old")
    return age
