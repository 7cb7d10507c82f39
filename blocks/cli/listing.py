"""Lists: a table on a terminal of any width, one line of tabs for each row in a pipe, or the fields that a
script names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from blocks.cli import lazy_commands, output
from blocks.cli.errors import Failure
from blocks.cli.terminal_text import make_printable

if TYPE_CHECKING:
    from blocks.cli import list_table
else:
    list_table = lazy_commands.import_lazily("blocks.cli.list_table")

EVERY_FIELD = "*"
Fields = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="[FIELDS]", help="Print JSON: everything, or the named fields, with commas between."
    ),
]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column of a list.

    - ``read`` gives the cell of a row.
    - ``words``: sentences, which may be wrapped; one column of a list has them, the last.
    - ``leaves``: where the terminal is too narrow, the column with the highest number leaves first, and its
      cells follow the words, in parentheses; 0 stays.
    - ``labelled``: there, the cell comes with the column's name, without which nobody would know what it is.
    - ``states``: the cells are statuses, which have a sign and a colour on a terminal.
    """

    name: str
    read: Callable[[Row], str]
    right: bool = False
    words: bool = False
    leaves: int = 0
    labelled: bool = False
    states: bool = False


class ListCommand(TyperCommand):
    """A command whose ``--json`` may stand without fields."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the base class, which wants a value for every option."""
        return super().parse_args(ctx, _complete_json(args))


def _complete_json(args: list[str]) -> list[str]:
    given = list(args)
    for place, word in enumerate(args):
        following = args[place + 1] if place + 1 < len(args) else "-"
        if word == "--json" and following.startswith("-"):
            given[place] = f"--json={EVERY_FIELD}"
    return given


def print_list(
    name: str, rows: Sequence[Row], columns: Sequence[ListColumn], fields: str | None, *, empty: str
) -> None:
    """Print ``rows``: as JSON under ``name`` where ``fields`` are wanted, else as a table or lines.

    ``empty`` is said to people where there are none; ``--quiet`` prints the first column only. Raises
    ``Failure`` for a field that does not exist.
    """
    if fields is not None:
        return output.print_json({name: select_fields(rows, fields)})
    if output.is_quiet():
        for row in rows:
            output.print_result(make_printable(columns[0].read(row)))
        return None
    if not output.is_terminal():
        # Nothing around the values: no heading, no signs, no padding; a script would have to take it off.
        for row in rows:
            output.print_line("\t".join(make_printable(column.read(row)) for column in columns))
        return None
    if not rows:
        return output.print_line(empty)
    return list_table.print_table(rows, columns)


def select_fields(rows: Sequence[Row], fields: str) -> list[Row]:
    """``rows`` with the named fields only, in the order of their naming."""
    if fields == EVERY_FIELD:
        return list(rows)
    wanted = [field.strip() for field in fields.split(",") if field.strip()]
    # Every row of a list has the same fields; without a row there is nothing to select from.
    known = ", ".join(rows[0]) if rows else "(none: the list is empty)"
    unknown = [field for field in wanted if rows and field not in rows[0]]
    if unknown:
        raise Failure(
            f"There is no field {unknown[0]!r}.", cure=f"Use some of: {known}.", code="cli:unknown-field"
        )
    if not wanted:
        raise Failure("No field is named.", cure=f"Use some of: {known}.", code="cli:unknown-field")
    selected: list[Row] = []
    for row in rows:
        selected.append({field: row[field] for field in wanted})
    return selected
