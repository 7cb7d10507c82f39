"""What every command prints with: plain lines, JSON, and the one `--json` option."""

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from blocks.cli.terminal_text import make_printable, remove_controls

__all__ = ["AsJson", "can_ask", "make_console", "make_printable", "print_json", "print_line", "print_warning"]
_PIPE_WIDTH = 10_000  # a pipe has no width; cutting ids or titles to fit one would break scripts
# Sentences wrap here, on a wide terminal and in a log: in a column of a table, and on lines of their own.
TEXT_WIDTH, LINE_WIDTH = 72, 100
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines, and nothing else, on standard output.")
]


def print_line(line: str = "") -> None:
    """One line for people on standard output, without control codes: much of it is text of others."""
    sys.stdout.write(remove_controls(line) + "\n")


def print_warning(line: str) -> None:
    """One line for people on standard error, where it does not get into what a script reads."""
    sys.stderr.write(remove_controls(line) + "\n")


def can_ask() -> bool:
    """Whether a person is at the other end; a job of CI has no terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def print_json(value: Any) -> None:
    """``value`` as JSON on standard output."""
    # Escaped: JSON leaves some control codes as they are, and they would steer a terminal.
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


class _Console(Console):
    """Prints texts of others as they are: without reading markup in them, and without their control codes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What the base class renders, with no control codes but those of the base class."""
        for part in super().render(renderable, options):
            yield (
                part
                if part.control or part.text.isprintable()
                else Segment(remove_controls(part.text), part.style)
            )


def make_console(*, to_stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, or wide enough where there is none."""
    # No markup and no emoji: titles and messages of others may hold `[red]` or `:boom:`.
    found = _Console(highlight=False, markup=False, emoji=False, stderr=to_stderr)
    if not found.is_terminal:
        found.width = max(found.width, _PIPE_WIDTH)
    return found
