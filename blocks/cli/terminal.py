"""A terminal and its width: where tables, colours and wrapped sentences go. Loads rich, which takes time."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from blocks.cli import output
from blocks.cli.terminal_text import clean_output

_PIPE_WIDTH = 10_000  # a pipe has no width; cutting ids or titles to fit one would break scripts
# Sentences wrap here, on a wide terminal and in a log: in a column of a table, and on lines of their own.
TEXT_WIDTH, LINE_WIDTH = 72, 100


class _Console(Console):
    """Prints texts of others as they are: without reading markup in them, and without their control codes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What the base class renders, with no control codes but those of the base class."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(clean_output(part.text), part.style)


def make_console(*, to_stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, or wide enough where there is none."""
    # No markup and no emoji: titles and messages of others may hold `[red]` or `:boom:`.
    found = _Console(highlight=False, markup=False, emoji=False, stderr=to_stderr, quiet=output.is_quiet())
    if not found.is_terminal:
        found.width = max(found.width, _PIPE_WIDTH)
    return found
