"""Run length coding."""

from itertools import groupby


def encode_runs(text: str) -> list[list[object]]:
    """Each sign with how often it follows itself."""
    return [[sign, len(list(group))] for sign, group in groupby(text)]


def decode_runs(pairs: list[list[object]]) -> str:
    """The text that ``encode_runs`` read. Raises ``ValueError`` for a count below 1."""
    if any(count < 1 for _, count in pairs):
        raise ValueError("counts start at 1")
    return "".join(sign * count for sign, count in pairs)
