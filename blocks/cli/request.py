"""`blocks request`: begin a feature request, and see what it lacks before models read it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from blocks.cli import flow_request, lazy_commands, output
from blocks.cli.errors import Exit, Failure
from blocks.cli.plain_files import write_file

if TYPE_CHECKING:
    from blocks.cli import request_check
else:
    request_check = lazy_commands.import_lazily("blocks.cli.request_check")

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Begin a feature request; see what it lacks.",
)
_TEMPLATE: Final = """\
# {title}

TODO: what goes wrong today, and who wants it otherwise. Two sentences.

## What it does

TODO: `function(argument, other)` gets ... (types, units) and returns ... (type, unit).

- TODO: one rule a line, with its numbers: both sides of each limit, empty input, zero, rounding, order.

## Examples

- TODO: `function(8, 100)` returns `"0.08"`.
- TODO: `function(8, 0)` raises `ValueError`, and the message names the argument.

## What it refuses

TODO: which exception for which input.

## Constraints

TODO: pure, or which files, clock or network it needs and why. What it does not do. Family `compliance`, name
`capital_ratio`.
"""


@app.callback()
def request() -> None:
    """Begin a feature request; see what it lacks."""


@app.command()
def new(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Such as feature_request.md.")] = Path(
        "feature_request.md"
    ),
    title: Annotated[str, typer.Option(help="What it is, in five words.")] = "TODO: what it is",
) -> None:
    """Write a feature request to fill in. A file that is there stays as it is."""
    # A dangling link does not exist, and writing through it would create its target.
    if path.exists() or path.is_symlink():
        raise Failure(
            f"{path} is there already.",
            cure=f"Name another file, or read it: `blocks request check {path}`.",
            code="request:exists",
        )
    # A line break in the title would begin the text.
    one_line = " ".join(title.split())
    try:
        write_file(path.parent, path, _TEMPLATE.format(title=one_line).encode())
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", cure="Name another file.") from error
    output.print_line(f"Wrote {path}. Fill in each TODO, then: blocks request check {path}")


@app.command()
def check(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="The feature request, in Markdown; - for standard input.")
    ],
    as_json: output.AsJson = False,
) -> None:
    """Say what a feature request lacks. Asks no model. Exits 0 when nothing is missing, else 1."""
    found = request_check.check_request(flow_request.read_request(path))
    missing = [remark for remark in found if remark.level == "missing"]
    if as_json:
        remarks = [
            {name: getattr(remark, name) for name in ("what", "level", "line", "message", "cure")}
            for remark in found
        ]
        output.print_json({"ok": not missing, "remarks": remarks})
    else:
        for remark in found:
            place = f"line {remark.line}" if remark.line else ""
            words = "  ".join(filter(None, (f"{remark.level:<7}", f"{remark.what:<9}", place)))
            output.print_line(f"{words.rstrip()}  {remark.message}")
            output.print_line(f"         {remark.cure}")
        # Hints are not counted: a request is good without them.
        count = "1 part is" if len(missing) == 1 else f"{len(missing)} parts are"
        output.print_line(f"{count} missing." if missing else "Nothing is missing.")
    if missing:
        raise typer.Exit(Exit.FAILED)
