"""Cutting to the byte: whole files while they fit, then outlines, then a piece of the most relevant file not yet shown.

Each part begins with a heading, a line of its own that starts with ``=== ``. A line of a file that starts like a heading
is shown with a backslash before it, and a path with anything unusual in it is quoted, so no file can pass for another.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.core.redaction import redact_file
from orchestrator.flows.context.symbols import is_code, outline_file

WHOLE_SHARE = 0.4
"""Of the budget, for whole files; the rest shows more files by their signatures.

Chosen on the first seven packages of ``RELEASES`` in ``bench/context_changes.py`` only, as the other shares are.
"""
LARGEST_SHARE = 0.25
"""A file that takes more of the budget than this is not shown whole while others wait."""
LARGEST_OUTLINE_SHARE = 0.1
"""The same for outlines: those of many files say more than that of a long one."""
OTHER_SHARE = 0.1
"""For whole files that are not code, while code waits: a README tells conventions, a manual would fill everything."""
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
        """Every path, in the order of the text."""
        return (*self.whole, *self.outlined, *self.cut)


def format_part(path: str, text: str, shown_as: str = "") -> str:
    """One file under its heading. ``shown_as`` says how it is shown, where it is not whole."""
    name = path if _PLAIN_PATH.match(path) else json.dumps(path)
    note = f" ({shown_as})" if shown_as else ""
    body = _LIKE_HEADING.sub(r"\1\\", text.rstrip())
    return f"=== {name}{note}\n{body}\n\n"


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
    return _Packing(order, texts, max_bytes).pack_all()


class _Packing:
    """One bundle being filled. ``bytes_left`` falls with every part that is added."""

    def __init__(self, order: list[str], texts: Mapping[str, str], max_bytes: int) -> None:
        self.order, self.texts, self.max_bytes = order, texts, max_bytes
        self.bytes_left = max_bytes
        self.whole: dict[str, str] = {}
        self.outlined: dict[str, str] = {}
        self.cut: dict[str, str] = {}
        self.redactions = 0

    def pack_all(self) -> Packed:
        """Fill the budget in four passes."""
        self._add_whole_files(
            int(self.max_bytes * WHOLE_SHARE),
            int(self.max_bytes * LARGEST_SHARE),
            int(self.max_bytes * OTHER_SHARE),
        )
        self._add_outlines(int(self.max_bytes * LARGEST_OUTLINE_SHARE))
        # What the outlines did not need goes to further whole files, and the last gap to the beginning of one.
        self._add_whole_files(self.bytes_left, self.bytes_left, self.bytes_left)
        self._add_pieces()
        text = "".join((*self.whole.values(), *self.outlined.values(), *self.cut.values()))
        return Packed(text, tuple(self.whole), tuple(self.outlined), tuple(self.cut), self.redactions)

    def _waiting_paths(self) -> list[str]:
        """Files that are not shown at all yet, in order."""
        return [path for path in self.order if path not in self.whole and path not in self.outlined]

    def _add_whole_files(self, budget: int, largest: int, other_budget: int) -> None:
        """Whole files that fit, in order. ``budget`` is for all of them, ``other_budget`` for those that are not code."""
        misses = 0
        for path in self._waiting_paths():
            if misses > _MAX_MISSES or budget < _SMALLEST_PIECE:
                return
            code = is_code(path)
            limit = largest if code else min(largest, other_budget)
            length = len(self.texts[path])
            if length > limit:
                continue
            # A file that cannot fit by its length is not redacted: that is what takes time.
            size = self._add_part(self.whole, path, self.texts[path], "", budget) if length <= budget else 0
            if size == 0:
                misses += 1
            budget -= size
            if not code:
                other_budget -= size

    def _add_outlines(self, largest: int) -> None:
        misses = 0
        for path in self._waiting_paths():
            if misses > _MAX_MISSES or self.bytes_left < _SMALLEST_PIECE:
                return
            signatures = outline_file(path, self.texts[path])
            if not signatures or len(signatures) > largest:
                continue
            if self._add_part(self.outlined, path, signatures, "outline", self.bytes_left) == 0:
                misses += 1

    def _add_part(self, parts: dict[str, str], path: str, text: str, shown_as: str, budget: int) -> int:
        """The bytes that ``text``, redacted, took; 0 where it does not fit ``budget``."""
        # Redacted before it is measured: a mark may be longer than the secret that it replaces.
        clean, found = redact_file(path, text)
        part = format_part(path, clean, shown_as)
        size = len(part.encode())
        if size > budget:
            return 0
        parts[path] = part
        self.redactions += found
        self.bytes_left -= size
        return size

    def _add_pieces(self) -> None:
        """The beginnings of the most relevant files that are not shown yet; one file, unless they are tiny."""
        for path in self._waiting_paths():
            if self.bytes_left < _SMALLEST_PIECE:
                return
            clean, found = redact_file(path, self.texts[path])
            part = format_part(path, clean, "its beginning").encode()
            # A budget may end in the middle of a character, which is then left out.
            piece = part[: self.bytes_left].decode(errors="ignore")
            self.cut[path] = piece
            self.redactions += found
            self.bytes_left -= len(piece.encode())
