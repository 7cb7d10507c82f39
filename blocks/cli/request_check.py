"""What a feature request lacks, found by reading it: no model is asked, and nothing leaves this machine.

The questions are those of docs/how-to/write-a-feature-request.md. A remark is ``missing`` where models would
have to guess, else a ``hint``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from blocks.format.limits import KIB, MAX_REQUEST_BYTES

# A title, a call, a rule with its limits and two examples hardly fit into fewer.
_FEWEST_WORDS: Final = 40
_LONG_BYTES: Final = 12 * KIB
_FEWEST_EXAMPLES: Final = 2
_MANY_FIGURES: Final = 3
_MOST_TITLE_WORDS: Final = 12
# A call in code: a name, and something in parentheses.
_CALL: Final = re.compile(r"\b[A-Za-z_][\w.]*\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
# A value that somebody typed: a number, a text, a list, None.
_VALUE: Final = re.compile(r"\d|[\"'\[{]|\b(?:None|True|False)\b")
# Words that lead from a call to what comes of it, beside the arrows that people type.
_RESULT: Final = re.compile(
    r"→|->|=>|==|\b(?:returns?|gives?|yields?|raises?|is|are|becomes?|refused|result)\b", re.I
)
_IN_AND_OUT: Final = re.compile(r"\b(?:given|gets?|takes?)\b.*\breturns?\b", re.I | re.S)
# The name of an exception is enough: an author who names it has decided what is wrong input.
_REFUSAL: Final = re.compile(r"\b[A-Z]\w*(?:Error|Exception)\b|\brefuse|\breject|\braise", re.I)
_LIMIT: Final = re.compile(
    r"\b(?:empty|zero|none|negative|at most|at least|more than|less than|fewer|exactly|between|up to|maximum|"
    r"minimum|inclusive|exclusive|round\w*|from \S+ on|\d+ to \d+|half up|or later|over)\b|[<>≤≥]",
    re.I,
)
_SCOPE: Final = re.compile(
    r"\b(?:does not|do not|is not|never|without|no i/o|pure|out of scope|only|nothing else)\b", re.I
)
_VAGUE: Final = re.compile(
    r"\b(?:fast|quick(?:ly)?|reasonabl[ey]|as usual|appropriate(?:ly)?|proper(?:ly)?|user-friendly|"
    r"efficient(?:ly)?|robust|etc|and so on|somehow|nice(?:ly)?|intuitive)\b",
    re.I,
)
_LEFT_OPEN: Final = re.compile(r"\b(?:TODO|TBD|FIXME)\b|\?\?\?|^\s*(?:-\s*)?…\s*$|\.\.\.\s*\.\.\.")
# The forms that vendors give their keys; the service redacts many more, and this is only the first look.
_SECRET: Final = re.compile(
    r"\bsk-[\w-]{16,}|\bAKIA[0-9A-Z]{16}|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abprs]-[\w-]{10,}|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
)
_FENCE: Final = re.compile(r"^\s*(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to look at. ``line`` counts from 1; 0 is the whole request."""

    what: str
    level: str
    message: str
    cure: str
    line: int = 0


def check_request(text: str) -> list[Remark]:
    """What is missing, and what else would help, in the order of the lines."""
    lines = text.splitlines()
    found = [
        *_check_size(text),
        *_check_title(lines),
        *_check_parts(text, lines),
        *_check_examples(lines),
        *_check_words(lines),
    ]
    return sorted(found, key=lambda remark: (remark.level != "missing", remark.line))


def _check_size(text: str) -> Iterator[Remark]:
    # In bytes, as the service counts: an umlaut is two.
    size, words = len(text.encode()), len(text.split())
    if size > MAX_REQUEST_BYTES:
        yield Remark(
            "size",
            "missing",
            f"It has {size:,} bytes; at most {MAX_REQUEST_BYTES:,} are accepted.",
            "Split it into several features, and leave source code to the context.",
        )
    elif size > _LONG_BYTES:
        yield Remark(
            "size",
            "hint",
            f"It has {size / KIB:.0f} KB: long requests often are several features.",
            "Write one request for each block.",
        )
    if words < _FEWEST_WORDS:
        yield Remark(
            "size",
            "missing",
            f"It has {words} words: models would guess nearly everything.",
            "Say what goes in, what comes out, the rules with their limits, and two examples.",
        )


def _check_title(lines: Sequence[str]) -> Iterator[Remark]:
    titles = [number for number, line in _outside_fences(lines) if re.match(r"#\s+\S", line)]
    if not titles:
        cure = "Begin with `# ` and what it is, in five words."
        yield Remark("title", "missing", "It has no title.", cure, 1)
        return
    if len(titles) > 1:
        yield Remark(
            "title",
            "missing",
            f"It has {len(titles)} titles: one request is one block.",
            "Split it, or make the others sections with `## `.",
            titles[1],
        )
    if len(lines[titles[0] - 1].split()) - 1 > _MOST_TITLE_WORDS:
        yield Remark("title", "hint", "The title is long.", "Say what it is in five words.", titles[0])


def _check_parts(text: str, lines: Sequence[str]) -> Iterator[Remark]:
    """The parts that a request has anywhere, in its author's words."""
    if not (_CALL.search(text) or _IN_AND_OUT.search(text)):
        yield Remark(
            "interface",
            "missing",
            "It names no function with its arguments.",
            "Write the call: `ratio(capital, assets)`, the types of its arguments, and what comes out.",
        )
    if not _REFUSAL.search(text):
        yield Remark(
            "refusals",
            "missing",
            "It does not say what is refused.",
            "Name the exception for each kind of wrong input: `ValueError` where assets are zero.",
        )
    if not any(_LIMIT.search(line) for line in lines):
        yield Remark(
            "limits",
            "missing",
            "No rule has a limit.",
            "Give both sides of each: empty, zero, the largest, exactly at the limit, how it is rounded.",
        )
    if not _SCOPE.search(text):
        yield Remark(
            "scope",
            "hint",
            "It does not say where the feature ends.",
            "Say what it does not do, and whether it may read files, a clock or the network.",
        )


def _check_examples(lines: Sequence[str]) -> Iterator[Remark]:
    found = sum(_is_example(lines, place) for place in range(len(lines)))
    if found < _FEWEST_EXAMPLES:
        count = "no example" if not found else "one example"
        # Rules that are full of figures can be checked without; others cannot.
        figures = sum(bool(re.search(r"\d", line)) for line in lines)
        yield Remark(
            "examples",
            "hint" if figures >= _MANY_FIGURES else "missing",
            f"It has {count} with exact values.",
            'Add calls with their results, one of them a refusal: `ratio(8, 100)` returns `"0.08"`.',
        )


def _is_example(lines: Sequence[str], place: int) -> bool:
    """Whether a line has a call with values, and it or the next line says what comes of it."""
    calls = _CALL.findall(lines[place])
    if not any(_VALUE.search(call.partition("(")[2]) for call in calls):
        return False
    rest = _CALL.sub("", lines[place])
    following = lines[place + 1] if place + 1 < len(lines) else ""
    return bool(_RESULT.search(rest) or "|" in rest or _RESULT.search(following))


def _check_words(lines: Sequence[str]) -> Iterator[Remark]:
    for number, line in enumerate(lines, start=1):
        # Also inside code blocks, where secrets are pasted most.
        if match := _SECRET.search(line):
            yield Remark(
                "secret",
                "missing",
                f"{match[0][:6]}... looks like a secret.",
                "Take it out, and change it where it is valid; use made-up values.",
                number,
            )
        if match := _LEFT_OPEN.search(line):
            yield Remark(
                "open", "missing", f"{match[0].strip()!r} was left open.", "Fill it in, or delete it.", number
            )
    for number, line in _outside_fences(lines):
        if match := _VAGUE.search(line):
            cure = "Say it with a number or a rule; models otherwise choose, and the reviewer may refuse."
            yield Remark("vague", "hint", f"{match[0]!r} leaves the choice to a model.", cure, number)


def _outside_fences(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are not in a code block."""
    inside = False
    for number, line in enumerate(lines, start=1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line
