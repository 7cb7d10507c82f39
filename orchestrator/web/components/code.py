"""Generated files as numbered, coloured lines, with what the gates found under the line that it is about.

Everything here was written by models: it leaves as escaped text inside our own elements, never as markup of
its own.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from pygments import lex
from pygments.lexer import Lexer
from pygments.lexers import JsonLexer, PythonLexer, TextLexer
from pygments.token import STANDARD_TYPES, Text, _TokenType

COLOURED_BYTES = 200_000
"""Beyond this a file is shown without colours: pages are for people."""
COLOURED_SECONDS = 0.5
"""Of this thread's time. A file of tabs and line ends takes longer: it has no colours behind that."""
_LEXERS: dict[str, type[Lexer]] = {".py": PythonLexer, ".json": JsonLexer}
# Not str.splitlines: it also breaks at a form feed or U+2028, where Python and coverage.py begin no line.
_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Change:
    """What a mutant made of whole lines."""

    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """One finding at a line.

    ``kind``: ``mutant``, ``sabotage``, ``uncovered``, ``security``, ``review``, ``coverage``, ...
    """

    kind: str
    line: int
    severity: str
    title: str
    text: str = ""
    end_line: int = 0
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    ``cover`` is ``hit``, ``part`` (a branch not taken), ``miss``, or empty where nothing is measured.
    """

    number: int
    html: SafeString
    cover: str = ""
    marks: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Line numbers as coverage.py reports them."""

    hit: frozenset[int] = frozenset()
    miss: frozenset[int] = frozenset()
    part: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def of(self, line: int) -> str:
        """The mark in the gutter."""
        if line in self.miss:
            return "miss"
        if line in self.part:
            return "part"
        return "hit" if line in self.hit else ""


def colour_lines(path: str, text: str) -> list[SafeString]:
    """Each line of ``text`` as HTML: spans with Pygments' short class names around escaped text."""
    kind = next((lexer for end, lexer in _LEXERS.items() if path.endswith(end)), TextLexer)
    # By default Pygments drops blank lines at both ends and adds a newline, which would shift the numbers.
    lexer = (TextLexer if len(text) > COLOURED_BYTES else kind)(stripnl=False, ensurenl=False)
    lines: list[list[SafeString]] = [[]]
    for token, value in _lex_in_time("\n".join(_ENDS.split(text)), lexer):
        # A token such as a docstring spans lines: each gets a span of its own, or the tags would not nest.
        for number, piece in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if piece:
                lines[-1].append(_render_span(token, piece))
    # The newline at the end of a file ends its last line and begins no other.
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return [mark_safe("".join(parts)) for parts in lines]  # noqa: S308 - every part went through format_html


def _lex_in_time(text: str, lexer: Lexer) -> Iterator[tuple[_TokenType, str]]:
    """The tokens of ``text``, and what is left of it when the time is over as one."""
    ends_at, place = time.thread_time() + COLOURED_SECONDS, 0
    for token, value in lex(text, lexer):
        yield token, value
        place += len(value)
        if time.thread_time() > ends_at:
            yield Text, text[place:]
            return


def _render_span(token: _TokenType, piece: str) -> SafeString:
    # A lexer may yield a token type without a class name; then the nearest parent that has one colours it.
    name = STANDARD_TYPES.get(token) or next(
        (STANDARD_TYPES[up] for up in reversed(token.split()) if up in STANDARD_TYPES), ""
    )
    return format_html('<span class="{}">{}</span>', name, piece) if name else format_html("{}", piece)


def annotate_lines(
    path: str, text: str, notes: Iterable[Note] = (), coverage: Coverage | None = None
) -> list[Line]:
    """The lines of a file with their notes.

    Notes beyond its end hang at the last line; notes without a line are left out.
    """
    covered, parts = coverage or Coverage(), colour_lines(path, text)
    at: defaultdict[int, list[Note]] = defaultdict(list)
    spans: defaultdict[int, set[str]] = defaultdict(set)
    for note in notes:
        # The gate's card lists it instead: ``notes.list_unplaced``.
        if note.line < 1:
            continue
        # Numbers come from reports of a sandbox in which hostile code ran, so they may point beyond the file.
        line = min(note.line, len(parts))
        at[line].append(note)
        # The bound is needed for the same reason: a forged end_line would cost a loop of billions.
        for one in range(line, min(max(note.end_line, line), len(parts)) + 1):
            spans[one].add(note.kind)
    return [
        Line(number, html, covered.of(number), tuple(sorted(spans[number])), tuple(at[number]))
        for number, html in enumerate(parts, start=1)
    ]


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that are shown, or ``folded`` ones that are not until asked for."""

    lines: tuple[Line, ...]
    folded: bool = False


def split_into_pieces(lines: list[Line], around: int = 3, worth: int = 12) -> list[Piece]:
    """Fold away lines that are far from any note, where that hides at least ``worth`` lines.

    Without a note, all lines are one shown piece.
    """
    near = {
        n
        for line in lines
        if line.notes or line.cover in ("miss", "part")
        for n in range(line.number - around, line.number + around + 1)
    }
    if not near:
        return [Piece(tuple(lines))]
    found: list[Piece] = []
    run: list[Line] = []
    # The None behind the last line closes the last run.
    for line in [*lines, None]:
        if line is not None and (not run or (line.number in near) == (run[-1].number in near)):
            run.append(line)
            continue
        folded = run[0].number not in near and len(run) >= worth
        # A run too short to fold joins the shown lines before it, so that they stay one piece.
        if found and not folded and not found[-1].folded:
            found[-1] = Piece((*found[-1].lines, *run))
        else:
            found.append(Piece(tuple(run), folded))
        run = [line] if line is not None else []
    return found
