"""`blocks alerts`: the chain from an alert to the people it wakes."""

from typing import Annotated

import typer

from blocks.cli import output
from blocks.cli.client import Client

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Test the chain from an alert to its receivers.",
)


@app.callback()
def alerts() -> None:
    """Test the chain from an alert to its receivers."""


@app.command("test")
def send_test(
    name: Annotated[str, typer.Argument(help="The alert, such as budget_burn_rate.")],
    as_json: output.AsJson = False,
) -> None:
    """Send a synthetic alert through the real chain and wait until its receivers accept it. For operators."""
    with Client.of_workspace() as client:
        found = client.post(f"alerts/{name}/test/")
    if as_json:
        return output.print_json(found)
    receivers = ", ".join(found["receivers"])
    return output.print_line(f"{found['name']} was accepted by {receivers} after {found['seconds']} s")
