"""What every command prints with: plain lines, JSON, and the one `--json` option."""

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_PIPE_WIDTH = 10_000  # a pipe has no width; cutting ids or titles to fit one would break scripts
# Sentences wrap here, on a wide terminal and in a log: in a column of a table, and on lines of their own.
TEXT_WIDTH, LINE_WIDTH = 72, 100
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines, and nothing else, on standard output.")
]


def print_line(line: str = "") -> None:
    """One line for people on standard output."""
    sys.stdout.write(line + "\n")


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class _Console(Console):
    """Prints texts of others as they are: without reading markup in them, and without their control codes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What the base class renders, with no control codes but those of the base class."""
        for part in super().render(renderable, options):
            yield (
                part
                if part.control or part.text.isprintable()
                else Segment(_remove_controls(part.text), part.style)
            )


def make_console(*, to_stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, or wide enough where there is none."""
    # No markup and no emoji: titles and messages of others may hold `[red]` or `:boom:`.
    found = _Console(highlight=False, markup=False, emoji=False, stderr=to_stderr)
    if not found.is_terminal:
        found.width = max(found.width, _PIPE_WIDTH)
    return found


def _remove_controls(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


def make_printable(text: str) -> str:
    """``text`` of others without control codes, which could move the cursor or change the title of a
    terminal.
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)
