"""Secrets in a column: the name is in the first line of a table, the values are below it."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from orchestrator.core.redaction.secret_values import is_secret_value
from orchestrator.core.redaction.spans import Span

# In code a line between commas is not a table.
_TABLES: Final = frozenset({".csv", ".tsv", ".psv", ".md", ".rst", ".txt", ".log", ""})
_HEAD: Final = re.compile(
    rb"[\w .-]{0,40}(?:passw(?:or[dt]|d)?|passphrase|pwd|secret|token|api[ _-]?key|access[ _-]?key)"
    rb"[\w ]{0,20}",
    re.IGNORECASE,
)
_CELL: Final = re.compile(rb"[^,;|\t]+")
_DRESS: Final = b" \t\r\"'`*"
_LONGEST_HEAD: Final = 2000
_MOST_CELLS: Final = 60


def find_columns(path: str, data: bytes) -> Iterator[Span]:
    """Every value in ``data`` under a name that says secret. Each line is read once."""
    if PurePosixPath(path).suffix.lower() not in _TABLES:
        return
    columns: list[int] = []
    width, place = 0, 0
    while place < len(data):
        end = data.find(b"\n", place)
        end = len(data) if end < 0 else end
        cells = list(_cut_line(data, place, end))
        if columns and len(cells) == width:
            yield from _judge_cells(data, [cells[number] for number in columns])
        else:
            heads = [_is_head(data, cell) for cell in cells]
            columns, width = [number for number, is_head in enumerate(heads) if is_head], len(cells)
            columns = columns if width > 1 else []
        place = end + 1


def _cut_line(data: bytes, start: int, end: int) -> Iterator[Span]:
    """The cells of a line; none of one that is too long for a table."""
    if end - start > _LONGEST_HEAD:
        return
    for number, cell in enumerate(_CELL.finditer(data, start, end)):
        if number == _MOST_CELLS:
            return
        yield Span(*cell.span())


def _is_head(data: bytes, cell: Span) -> bool:
    return _HEAD.fullmatch(data[cell.start : cell.end].strip(_DRESS)) is not None


def _judge_cells(data: bytes, cells: list[Span]) -> Iterator[Span]:
    for cell in cells:
        text = data[cell.start : cell.end]
        value = text.strip(_DRESS)
        if is_secret_value(value.decode("utf-8", "replace"), password=True):
            start = cell.start + text.find(value)
            yield Span(start, start + len(value))
