"""`blocks quota`: what each provider may still use; pause and resume one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.cli import lazy_commands, output
from blocks.cli.client import Client

if TYPE_CHECKING:
    from blocks.cli import quota_report, terminal
else:
    quota_report, terminal = lazy_commands.import_parts("quota_report", "terminal")

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what each provider may still use; pause and resume one.",
)
Provider = Annotated[str, typer.Argument(help="anthropic, openai or google.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded with who and when.")]


@app.callback()
def quota() -> None:
    """Show what each provider may still use."""


@app.command()
def show(
    every: Annotated[
        bool, typer.Option("--all", help="Also providers without use, and what each did in this minute.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show tokens of the last 24 hours against each provider's quota, and USD against the budget."""
    with Client.of_workspace() as client:
        found = client.get("quota/")
    if as_json:
        return output.print_json(found)
    console = terminal.make_console()
    # On a fresh service no provider was used: then all are shown, rather than an empty table.
    shown = [one for one in found["providers"] if every or _is_noteworthy(one)] or found["providers"]
    quota_report.print_usage(console, shown)
    if every:
        console.print()
        console.print(quota_report.minute_table(shown))
    spent = f"${float(found['spent_usd']):.2f} of ${float(found['daily_budget_usd']):.2f}"
    console.print(f"\nSpent {spent} in {found['window_hours']} hours")
    if not found["circuit_breaker_enabled"]:
        console.print(
            "The circuit breaker is switched off: calls continue until the quotas are used up.",
            style="yellow",
        )
    return None


def _is_noteworthy(one: Mapping[str, Any]) -> bool:
    return bool(one["used_tokens"] or one["reserved_tokens"] or not one["admits"])


@app.command()
def pause(provider: Provider, reason: Reason, as_json: output.AsJson = False) -> None:
    """Let no call to a provider leave until it is resumed. Its stages wait. For operators."""
    _switch_provider(provider, "pause", reason, as_json=as_json)


@app.command()
def resume(provider: Provider, reason: Reason, as_json: output.AsJson = False) -> None:
    """Let calls to a provider leave again. For operators."""
    _switch_provider(provider, "resume", reason, as_json=as_json)


def _switch_provider(provider: str, turn: str, reason: str, *, as_json: bool) -> None:
    with Client.of_workspace() as client:
        change = client.post(f"quota/{provider}/{turn}/", {"reason": reason})
    if as_json:
        return output.print_json(change)
    # Asking twice is not an error, and it must not look as if the second had done something.
    already = "" if change["changed"] else "already "
    return output.print_line(
        f"{provider} is {already}{turn}d"
        + (f" by {change['actor']}: {change['reason']}" if "actor" in change else "")
    )
