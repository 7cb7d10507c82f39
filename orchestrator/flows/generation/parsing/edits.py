"""Edits of a large file: each replaces lines that stand in it exactly once. Anything else is refused: the whole file, then."""

import re
from collections.abc import Iterable

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable
from orchestrator.flows.generation.parsing.plain_text import strip_invisible

_MARK = re.compile(
    r"[\s#>*`\"']*<<<\s*(?P<kind>SEARCH|REPLACE)\b:?\s*(?:\bnonce=)?(?P<nonce>[0-9a-f]*)\s*>>>[\s*`\"']*",
    re.IGNORECASE,
)


def apply_edits(path: str, original: str, lines: Iterable[str], nonce: str) -> str:
    """``original`` after the edits of one section.

    A section is one or more pairs of a SEARCH and a REPLACE part, applied in order. Raises ``Unreadable``
    (``answer:edit-mismatch``) where what is searched for is empty, missing, or there more than once.
    """
    text = original.splitlines()
    for old, new in _pairs(path, lines, nonce):
        places = [start for start in range(len(text) - len(old) + 1) if text[start : start + len(old)] == old]
        if len(places) != 1:
            raise _mismatch(path, f"the lines searched for stand in it {len(places)} times: {old[0][:80]!r}")
        text[places[0] : places[0] + len(old)] = new
    return "\n".join(text) + "\n"


def _pairs(path: str, lines: Iterable[str], nonce: str) -> list[tuple[list[str], list[str]]]:
    parts: list[tuple[str, list[str]]] = []
    lines = list(lines)
    if lines and not lines[-1]:
        lines.pop()  # what stood before END on its line
    for line in lines:
        mark = _MARK.fullmatch(strip_invisible(line)) if "<<<" in line else None
        if mark and mark["nonce"].lower() == nonce.lower():
            parts.append((mark["kind"].upper(), []))
        elif parts:
            parts[-1][1].append(line)
        elif line.strip():
            raise _mismatch(path, "an edit starts with a SEARCH line")
    kinds = [kind for kind, _ in parts]
    if not parts or kinds != ["SEARCH", "REPLACE"] * (len(parts) // 2):
        raise _mismatch(path, "every SEARCH needs its REPLACE, and the other way round")
    pairs = [(old, new) for (_, old), (_, new) in zip(parts[::2], parts[1::2], strict=True)]
    if any(not "".join(old).strip() for old, _ in pairs):
        raise _mismatch(path, "a SEARCH part is empty")
    return pairs


def _mismatch(path: str, why: str) -> AnswerUnreadable:
    return AnswerUnreadable(
        "answer:edit-mismatch",
        f"The edits of {path} do not fit: {why}.",
        f"Write the whole of {path} instead.",
    )
