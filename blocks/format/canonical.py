"""The one serialisation of everything that is hashed or signed: UTF-8 JSON, keys sorted, no spaces; and
its strict reader.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from blocks.format.errors import FormatError
from blocks.format.limits import MAX_STATEMENT_BYTES, MIB


def dump_json(value: Any) -> bytes:
    """``value`` as canonical JSON: equal values give equal bytes everywhere. Raises ``FormatError`` for
    what JSON cannot hold.
    """
    try:
        # NaN and infinities are Python's own, no other JSON reader takes them.
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (ValueError, RecursionError) as error:
        raise FormatError("cannot be written as JSON") from error


def load_json(raw: bytes, what: str) -> Any:
    """The value of a JSON text that came from outside, read so that no two readers see two contents.

    ``what`` names the text in messages ("the manifest"). Raises ``FormatError`` for too many bytes,
    another encoding than UTF-8, a field that comes twice, and numbers that JSON does not know.
    """
    # Before decoding: a parsed document takes many times the memory of its bytes.
    if len(raw) > MAX_STATEMENT_BYTES:
        raise FormatError(f"{what} is over {MAX_STATEMENT_BYTES // MIB} MB")
    try:
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_build_object, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} is not JSON") from error


def _build_object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    # Python's own reader keeps the last of two fields of one name, others keep the first.
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FormatError(f"holds the field {key[:40]!r} twice")
        found[key] = value
    return found


def _refuse_constant(constant: str) -> Any:
    raise FormatError(f"holds {constant}, which JSON does not know")


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: ``2026-01-02T00:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
