"""Edits of a large file. Each replaces lines that occur in the file exactly once; anything else is rejected.

A rejected edit costs one more call, which asks for the whole file. A guessed place would cost a wrong file.
"""

from collections.abc import Iterable

import re2

from orchestrator.flows.generation.parsing.errors import AnswerUnreadable
from orchestrator.flows.generation.parsing.plain_text import simplify_line

# Models decorate these lines as they decorate Markdown: a quote sign, a heading, bold, code.
_MARK = re2.compile(
    r"(?i)[\s#>*`\"']*<<<\s*(?P<kind>SEARCH|REPLACE)\b:?\s*(?:\bnonce=)?(?P<nonce>[0-9a-f]*)\s*>>>[\s*`\"']*"
)


def apply_edits(path: str, original: str, lines: Iterable[str], nonce: str) -> str:
    """``original`` after the edits of one section.

    A section is one or more pairs of a SEARCH and a REPLACE part, applied in order. Raises
    ``AnswerUnreadable`` (``answer:edit-mismatch``) where the searched lines are empty, missing, or occur
    more than once.
    """
    text = original.splitlines()
    for old, new in _read_pairs(path, lines, nonce):
        # Whole lines, indent included: half a line may occur in more places than the model sees.
        places = [start for start in range(len(text) - len(old) + 1) if text[start : start + len(old)] == old]
        if len(places) != 1:
            raise _mismatch_error(
                path, f"the searched lines occur in it {len(places)} times: {old[0][:80]!r}"
            )
        # The next pair searches the text after this edit, so that edits may build on each other.
        text[places[0] : places[0] + len(old)] = new
    return "\n".join(text) + "\n"


def _read_pairs(path: str, lines: Iterable[str], nonce: str) -> list[tuple[list[str], list[str]]]:
    """The lines to search for and the lines to put there, for each edit of a section."""
    parts: list[tuple[str, list[str]]] = []
    lines = list(lines)
    # The scan adds the text before END on its line as a last line, which is empty in the usual case.
    if lines and not lines[-1]:
        lines.pop()
    for line in lines:
        mark = _MARK.fullmatch(simplify_line(line)) if "<<<" in line else None
        if mark and mark["nonce"].lower() == nonce.lower():
            parts.append((mark["kind"].upper(), []))
        elif parts:
            parts[-1][1].append(line)
        elif line.strip():
            raise _mismatch_error(path, "an edit starts with a SEARCH line")
    kinds = [kind for kind, _ in parts]
    if not parts or kinds != ["SEARCH", "REPLACE"] * (len(parts) // 2):
        raise _mismatch_error(path, "every SEARCH needs its REPLACE, and the other way round")
    pairs = [(old, new) for (_, old), (_, new) in zip(parts[::2], parts[1::2], strict=True)]
    # Empty lines occur in every file: a search for them alone would hit the only gap of a short one.
    if any(not "".join(old).strip() for old, _ in pairs):
        raise _mismatch_error(path, "a SEARCH part is empty")
    return pairs


def _mismatch_error(path: str, why: str) -> AnswerUnreadable:
    return AnswerUnreadable(
        "answer:edit-mismatch",
        f"The edits of {path} do not fit: {why}.",
        f"Write the whole of {path} instead.",
    )
