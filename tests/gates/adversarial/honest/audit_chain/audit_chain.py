"""A log whose entries hold the digest of the one before."""

import hashlib
import json

_START = "0" * 64


def _digest(before: str, text: str) -> str:
    return hashlib.sha256(json.dumps([before, text]).encode()).hexdigest()


def chain_entries(texts: list[str]) -> list[dict[str, str]]:
    """Each text with the digest that depends on everything before it."""
    before, chained = _START, []
    for text in texts:
        before = _digest(before, text)
        chained.append({"text": text, "digest": before})
    return chained


def find_break(entries: list[dict[str, str]]) -> int:
    """The first entry that does not fit, counted from 0; -1 for none."""
    before = _START
    for index, entry in enumerate(entries):
        before = _digest(before, entry["text"])
        if entry["digest"] != before:
            return index
    return -1
