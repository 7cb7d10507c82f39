"""A list as a table that fits the terminal: columns leave one by one, and their cells join the words."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from blocks.cli import terminal
from blocks.cli.listing import ListColumn, Row
from blocks.cli.progress import mark_status

_GAP = 2
_LEAST_WORDS = 24  # columns of a terminal, below which sentences cannot be read


def print_table(rows: Sequence[Row], columns: Sequence[ListColumn]) -> None:
    """Print ``rows`` with as many of ``columns`` as fit."""
    console = terminal.make_console()
    shown = choose_columns(rows, columns, console.width)
    left_out = [column for column in columns if column not in shown]
    grid = Table(box=None, header_style="dim", padding=(0, _GAP, 0, 0), pad_edge=False)
    for column in shown:
        # Only sentences wrap: an id or a figure in two halves cannot be read.
        grid.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=not column.words,
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*(_make_cell(column, row, left_out) for column in shown))
    console.print(grid)


def choose_columns(rows: Sequence[Row], columns: Sequence[ListColumn], width: int) -> list[ListColumn]:
    """The columns that fit in ``width``: those that leave first are left out first."""
    shown = list(columns)
    while measure_width(rows, shown) > width:
        leaving = max(shown, key=lambda column: column.leaves)
        if not leaving.leaves:
            break
        shown.remove(leaving)
    return shown


def measure_width(rows: Sequence[Row], columns: Sequence[ListColumn]) -> int:
    """How many columns of a terminal it takes to show ``rows`` whole, words at their narrowest."""
    total = 0
    for column in columns:
        cells = [_make_cell(column, row, ()).cell_len for row in rows]
        longest = max([len(column.name), *cells])
        total += _GAP + (min(longest, _LEAST_WORDS) if column.words else longest)
    # There is no gap behind the last column.
    return total - _GAP


def _make_cell(column: ListColumn, row: Row, left_out: Sequence[ListColumn]) -> Text:
    text = column.read(row)
    if column.states:
        return mark_status(text)
    if not column.words:
        return Text(text)
    rest = ", ".join(filter(None, (_read_aside(other, row) for other in left_out)))
    return Text("  ".join(filter(None, (text, f"({rest})" if rest else ""))))


def _read_aside(column: ListColumn, row: Row) -> str:
    """A cell whose column had no room."""
    text = column.read(row)
    return f"{column.name} {text}" if column.labelled and text else text
