"""Whether two runs of a stage had the same result. Times are left out, because no run repeats them."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TIMED = frozenset(
    {
        "seconds",
        "gates_seconds",
        "sealed_at",
        "duration",
        "startedOn",
        "finishedOn",
        "started_on",
        "finished_on",
        "timestamp",
    }
)
# JUnit reports carry the time of each test and of the whole suite.
_XML_TIMES = re.compile(rb'\b(time|timestamp)="[^"]*"')
# A report holds many differences and is one column of JSON; a text of models may be thousands of lines.
_CLIPPED = 200
MISSING = "(nothing)"


def strip_times(value: Any, *, digests_of: frozenset[str] = frozenset()) -> Any:
    """Return JSON without its times.

    ``digests_of`` are the digests of files that hold times. They all become one text, so they compare as
    equal.
    """
    if isinstance(value, Mapping):
        return {
            str(key): strip_times(item, digests_of=digests_of)
            for key, item in value.items()
            # The key goes with its value, so a record that lacks a time is equal to one that has it.
            if key not in _TIMED
        }
    if isinstance(value, list | tuple):
        return [strip_times(item, digests_of=digests_of) for item in value]
    return "(digest of a file with times)" if isinstance(value, str) and value in digests_of else value


def same_bytes(recorded: bytes, replayed: bytes, digests_of: frozenset[str] = frozenset()) -> bool:
    """Whether two files say the same, as JSON, as XML, or byte for byte."""
    # Cheap and nearly always true; parsing is only for what differs.
    if recorded == replayed:
        return True
    try:
        return bool(
            strip_times(json.loads(recorded), digests_of=digests_of)
            == strip_times(json.loads(replayed), digests_of=digests_of)
        )
    # Not JSON. Only JUnit reports carry times in another format, and their tags are the same in every run.
    except ValueError:
        return _XML_TIMES.sub(b"", recorded) == _XML_TIMES.sub(b"", replayed)


def find_differences(recorded: Any, replayed: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two JSON values differ: path, what was recorded, what came now."""
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        for key in sorted({*recorded, *replayed}):
            yield from find_differences(
                recorded.get(key, MISSING), replayed.get(key, MISSING), f"{path}.{key}" if path else key
            )
    # Lists of different lengths are shown whole: an index would compare entries that do not belong together.
    elif isinstance(recorded, list) and isinstance(replayed, list) and len(recorded) == len(replayed):
        for index, (old, new) in enumerate(zip(recorded, replayed, strict=True)):
            yield from find_differences(old, new, f"{path}[{index}]")
    elif recorded != replayed:
        yield path, clip_text(recorded), clip_text(replayed)


def clip_text(value: Any) -> str:
    """A value as a short text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _CLIPPED else text[:_CLIPPED] + "..."


def digest_bytes(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
