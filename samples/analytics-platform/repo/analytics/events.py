"""Loads events from the export: one JSON object per line."""

import json
from collections.abc import Iterable


def load(lines: Iterable[str]) -> list[dict[str, str]]:
    """Events with ``user`` and ``day``, each pair once, in the order of the file."""
    seen: dict[tuple[str, str], None] = {}
    for line in lines:
        row = json.loads(line)
        seen.setdefault((row["user"], row["day"]))
    return [{"user": user, "day": day} for user, day in seen]
