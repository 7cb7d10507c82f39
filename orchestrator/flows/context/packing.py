"""Cuts to the byte: whole files while they fit, then outlines, then a piece of the best file that is left.

Each part begins with a heading, a line of its own that starts with ``=== ``. A line of a file that starts
like a heading gets a backslash before it, and an unusual path is quoted. So no file can pass for another.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.core.redaction import redact_file
from orchestrator.flows.context.symbols import is_code, outline_file

WHOLE_SHARE = 0.4
"""The share of the budget for whole files; the rest shows more files by their signatures.

This share and the others were chosen on the first seven packages of ``RELEASES`` in
``bench/context_changes.py``; the other packages only check the choice.
"""
LARGEST_SHARE = 0.25
"""A file that needs a larger share than this is not shown whole while others wait."""
LARGEST_OUTLINE_SHARE = 0.1
"""The same for outlines: the outlines of many files say more than that of one long file."""
OTHER_SHARE = 0.1
"""The share for whole files that are not code, while code waits.

A README says how the code is written; a manual would fill the whole budget.
"""
# Bytes. A shorter piece would hold little more than its heading.
_SMALLEST_PIECE = 80
# A pass ends after more files that did not fit: each of them is redacted for nothing, which takes time.
_MAX_MISSES = 20
# Every character that a reader may take for the start of a line. Backslashes count too: otherwise a file
# could contain the escaped form of a heading and look like another file's text.
_LIKE_HEADING = re.compile(r"(^|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(?=\\*=== )")
_PLAIN_PATH = re.compile(r"[\w@+./-]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Packed:
    """``text``, and the paths in it by how they are shown; each path occurs once."""

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
    """One file under its heading. ``shown_as`` says how it is shown; empty for a whole file."""
    name = path if _PLAIN_PATH.match(path) else json.dumps(path)
    note = f" ({shown_as})" if shown_as else ""
    body = _LIKE_HEADING.sub(r"\1\\", text.rstrip())
    return f"=== {name}{note}\n{body}\n\n"


def pack_everything(
    order: Iterable[str], texts: Mapping[str, str], begin_file: Callable[[str], None]
) -> Packed:
    """All files whole, redacted."""
    parts, paths, redactions = [], [], 0
    for path in order:
        begin_file(path)
        text, found = redact_file(path, texts[path])
        parts.append(format_part(path, text))
        paths.append(path)
        redactions += found
    return Packed("".join(parts), tuple(paths), (), (), redactions)


def pack_files(
    order: list[str], texts: Mapping[str, str], max_bytes: int, begin_file: Callable[[str], None]
) -> Packed:
    """The files in ``order``, redacted, in at most ``max_bytes`` of UTF-8.

    Where the files have enough text, at most 80 bytes stay unused. ``begin_file`` is told each path before
    its file is parsed or searched for secrets.
    """
    return _Packing(order, texts, max_bytes, begin_file).pack_all()


class _Packing:
    """A bundle while it is filled. Every part that is added lowers ``bytes_left``."""

    def __init__(
        self,
        order: list[str],
        texts: Mapping[str, str],
        max_bytes: int,
        begin_file: Callable[[str], None],
    ) -> None:
        self.order, self.texts, self.max_bytes = order, texts, max_bytes
        self.begin_file = begin_file
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
        # What the outlines did not need goes to more whole files, and the last gap to the beginning of one.
        self._add_whole_files(self.bytes_left, self.bytes_left, self.bytes_left)
        self._add_pieces()
        text = "".join((*self.whole.values(), *self.outlined.values(), *self.cut.values()))
        return Packed(text, tuple(self.whole), tuple(self.outlined), tuple(self.cut), self.redactions)

    def _waiting_paths(self) -> list[str]:
        """Files that are not shown yet, in order."""
        return [path for path in self.order if path not in self.whole and path not in self.outlined]

    def _add_whole_files(self, budget: int, largest: int, other_budget: int) -> None:
        """Add whole files that fit, in order.

        ``budget`` is for all of them, ``other_budget`` for those that are not code.
        """
        misses = 0
        for path in self._waiting_paths():
            if misses > _MAX_MISSES or budget < _SMALLEST_PIECE:
                return
            code = is_code(path)
            limit = largest if code else min(largest, other_budget)
            length = len(self.texts[path])
            if length > limit:
                continue
            # Redaction takes most of the time, so a file that cannot fit by its length is not redacted.
            size = self._add_part(self.whole, path, self.texts[path], "", budget) if length <= budget else 0
            if size == 0:
                misses += 1
            budget -= size
            if not code:
                other_budget -= size

    def _add_outlines(self, largest: int) -> None:
        """Add outlines of at most ``largest`` characters, in order."""
        misses = 0
        for path in self._waiting_paths():
            if misses > _MAX_MISSES or self.bytes_left < _SMALLEST_PIECE:
                return
            self.begin_file(path)
            signatures = outline_file(path, self.texts[path])
            if not signatures or len(signatures) > largest:
                continue
            if self._add_part(self.outlined, path, signatures, "outline", self.bytes_left) == 0:
                misses += 1

    def _add_part(self, parts: dict[str, str], path: str, text: str, shown_as: str, budget: int) -> int:
        """Add ``text``, redacted, and return the bytes that it took; 0 where it does not fit ``budget``."""
        self.begin_file(path)
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
        """Add the beginning of the most relevant file that is not shown yet; of several, if they are tiny."""
        for path in self._waiting_paths():
            if self.bytes_left < _SMALLEST_PIECE:
                return
            self.begin_file(path)
            # Redacted before it is cut: half a secret would not be recognised.
            clean, found = redact_file(path, self.texts[path])
            part = format_part(path, clean, "its beginning").encode()
            # The budget may end inside a character, which is then left out.
            piece = part[: self.bytes_left].decode(errors="ignore")
            self.cut[path] = piece
            self.redactions += found
            self.bytes_left -= len(piece.encode())
