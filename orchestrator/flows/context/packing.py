"""Cutting to the byte: whole files while they fit, then outlines, then a piece of the most relevant file that is not whole.

Each part begins with a heading, a line of its own that starts with ``=== ``. A line of a file that starts like one is shown with
a backslash before it, and a path with anything unusual in it is quoted, so no file can pass for another.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.core.redaction import redact_file
from orchestrator.flows.context.symbols import is_code, outline_file

WHOLE_SHARE = 0.4
"""Of the budget, for whole files; the rest shows more files by their signatures. Chosen as ``relevance.WEIGHTS`` are."""
LARGEST_SHARE = 0.25
"""A file that takes more of the budget than this is not shown whole while others wait."""
LARGEST_OUTLINE_SHARE = 0.1
"""The same for outlines: those of many files tell more than that of a long one."""
ASIDE_SHARE = 0.1
"""For whole files that are no code, as long as code waits: a README tells conventions, a manual would fill everything."""
_SMALLEST_PIECE = 80
_MAX_MISSES = 20
# Everything that a reader may take for the start of a line.
_LIKE_HEADING = re.compile(r"(^|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(?=\\*=== )")
_PLAIN_PATH = re.compile(r"[\w@+./-]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Packed:
    """``text`` and the paths in it, each once, by how they are shown."""

    text: str = field(repr=False)
    whole: tuple[str, ...]
    outlined: tuple[str, ...]
    cut: tuple[str, ...]
    redactions: int

    @property
    def paths(self) -> tuple[str, ...]:
        return (*self.whole, *self.outlined, *self.cut)


def format_part(path: str, text: str, shown: str = "") -> str:
    """One file under its heading. ``shown`` says how, where it is not whole."""
    name = path if _PLAIN_PATH.match(path) else json.dumps(path)
    body = _LIKE_HEADING.sub(r"\1\\", text.rstrip())
    return f"=== {name}{f' ({shown})' if shown else ''}\n{body}\n\n"


def pack_everything(order: Iterable[str], texts: Mapping[str, str]) -> Packed:
    """All files whole, redacted."""
    parts, paths, redactions = [], [], 0
    for path in order:
        text, found = redact_file(path, texts[path])
        parts.append(format_part(path, text))
        paths.append(path)
        redactions += found
    return Packed("".join(parts), tuple(paths), (), (), redactions)


def pack_files(order: list[str], texts: Mapping[str, str], max_bytes: int) -> Packed:
    """At most ``max_bytes`` of UTF-8 of the files in ``order``, redacted; where there is enough, at most 80 bytes less."""
    return _Packing(order, texts, max_bytes).packed()


class _Packing:
    def __init__(self, order: list[str], texts: Mapping[str, str], max_bytes: int) -> None:
        self.order, self.texts, self.max_bytes = order, texts, max_bytes
        self.room = max_bytes
        self.whole: dict[str, str] = {}
        self.outlined: dict[str, str] = {}
        self.cut: dict[str, str] = {}
        self.redactions = 0

    def packed(self) -> Packed:
        self._take_whole(
            int(self.max_bytes * WHOLE_SHARE),
            int(self.max_bytes * LARGEST_SHARE),
            int(self.max_bytes * ASIDE_SHARE),
        )
        self._take_outlines(int(self.max_bytes * LARGEST_OUTLINE_SHARE))
        # What outlines did not need goes to further whole files, and the last gap to the beginning of one.
        self._take_whole(self.room, self.room, self.room)
        self._cut()
        text = "".join((*self.whole.values(), *self.outlined.values(), *self.cut.values()))
        return Packed(text, tuple(self.whole), tuple(self.outlined), tuple(self.cut), self.redactions)

    def _left(self) -> list[str]:
        """Files not yet shown at all, in order."""
        return [path for path in self.order if path not in self.whole and path not in self.outlined]

    def _take_whole(self, room: int, largest: int, aside: int) -> None:
        """Whole files that fit, in order. What cannot fit by its length is not redacted in vain, for that is what takes time."""
        misses = 0
        for path in self._left():
            if misses > _MAX_MISSES or room < _SMALLEST_PIECE:
                return
            code = is_code(path)
            if len(self.texts[path]) > (largest if code else min(largest, aside)):
                continue
            size = (
                self._put(self.whole, path, self.texts[path], "", room)
                if len(self.texts[path]) <= room
                else 0
            )
            misses += not size
            room -= size
            aside -= 0 if code else size

    def _take_outlines(self, largest: int) -> None:
        misses = 0
        for path in self._left():
            if misses > _MAX_MISSES or self.room < _SMALLEST_PIECE:
                return
            signatures = outline_file(path, self.texts[path])
            if 0 < len(signatures) <= largest:
                misses += not self._put(self.outlined, path, signatures, "outline", self.room)

    def _put(self, kind: dict[str, str], path: str, text: str, shown: str, room: int) -> int:
        """The bytes that ``text``, redacted, took; 0 where it does not fit."""
        clean, found = redact_file(path, text)
        section = format_part(path, clean, shown)
        size = len(section.encode())
        if size > room:
            return 0
        kind[path] = section
        self.redactions += found
        self.room -= size
        return size

    def _cut(self) -> None:
        """The beginnings of the most relevant files that are not shown yet; one, unless they are tiny."""
        for path in self._left():
            if self.room < _SMALLEST_PIECE:
                return
            clean, found = redact_file(path, self.texts[path])
            section = format_part(path, clean, "its beginning").encode()
            # Between characters: a budget may end in the middle of one.
            piece = section[: self.room].decode(errors="ignore")
            self.cut[path] = piece
            self.redactions += found
            self.room -= len(piece.encode())
