"""`blocks quota show`: what each provider may still use."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli import output
from orchestrator.cli.client import Client

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Show what each provider may still use."
)
_WARN, _PAUSE, _WIDTH = 70, 85, 20


@app.callback()
def quota() -> None:
    """Show what each provider may still use."""


def _bar(percent: float) -> Text:
    filled = min(_WIDTH, round(percent / 100 * _WIDTH))
    style = "red" if percent >= _PAUSE else "yellow" if percent >= _WARN else "green"
    return Text("█" * filled, style=style) + Text("░" * (_WIDTH - filled), style="dim")


@app.command()
def show(
    every: Annotated[bool, typer.Option("--all", help="Also providers without use in the window.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show tokens of the last 24 hours against each provider's quota, and USD against the budget."""
    with Client.here() as client:
        found = client.get("quota/")
    if as_json:
        return output.json_out(found)
    console = output.console()
    grid = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("provider", "used", "", "tokens", "set aside", "quota", "cost", "now"):
        grid.add_column(column, justify="left" if column in {"provider", "", "now"} else "right", no_wrap=True)
    shown = [one for one in found["providers"] if every or one["used_tokens"] or one["reserved_tokens"]]
    for one in shown or found["providers"]:
        numbers = (f"{one[name]:,}" for name in ("used_tokens", "reserved_tokens", "limit_tokens"))
        stop = "" if one["admits"] else one["reason"]
        grid.add_row(
            one["provider"], f"{one['percent']:.1f}%", _bar(one["percent"]), *numbers, f"${float(one['cost_usd']):.2f}", stop
        )
    console.print(grid)
    return console.print(
        f"\nSpent ${float(found['spent_usd']):.2f} of ${float(found['daily_budget_usd']):.2f} in {found['window_hours']} hours"
    )
