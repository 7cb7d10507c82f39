"""Where secrets are in a text, as offsets in its UTF-8 bytes."""

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """From byte ``start`` up to, not including, byte ``end``."""

    start: int
    end: int


def merge_spans(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap as one: several rules often find the same secret."""
    merged: list[Span] = []
    for span in sorted(spans):
        if span.end <= span.start:
            continue
        if merged and span.start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
