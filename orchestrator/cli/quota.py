"""`blocks quota`: what each provider may still use; pause and resume one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli import output
from orchestrator.cli.client import Client

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what each provider may still use; pause and resume one.",
)
_WIDTH = 20
_STYLES = {"ok": "green", "warning": "yellow", "paused": "red", "rollback": "bold red"}
Provider = Annotated[str, typer.Argument(help="anthropic, openai or google.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded with who and when.")]


@app.callback()
def quota() -> None:
    """Show what each provider may still use."""


def _bar(percent: float, level: str) -> Text:
    filled = min(_WIDTH, round(percent / 100 * _WIDTH))
    return Text("█" * filled, style=_STYLES[level]) + Text("░" * (_WIDTH - filled), style="dim")


def _until(text: str | None) -> str:
    return "" if text is None else f" until {datetime.fromisoformat(text):%H:%M:%S}"


def _state(one: Mapping[str, Any]) -> Text:
    """What holds the provider up, or that nothing does."""
    if one["paused"]:
        return Text(f"paused: {one['pause_reason']}", style="red")
    if not one["admits"]:
        return Text(str(one["reason"]).removeprefix(f"{one['provider']}: "), style="yellow")
    notes = [one["level"]] if one["level"] != "ok" else []
    if one["breaker"] != "closed":
        notes.append(f"breaker {one['breaker']}{_until(one['breaker_until'])}")
    if one["unknown_calls"]:
        notes.append(f"{one['unknown_calls']} calls with unknown use, ${float(one['unknown_usd']):.2f}")
    return Text(", ".join(notes) or "ok", style="yellow" if notes else "green")


@app.command()
def show(
    every: Annotated[bool, typer.Option("--all", help="Also providers without use, and what each did in this minute.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show tokens of the last 24 hours against each provider's quota, and USD against the budget."""
    with Client.here() as client:
        found = client.get("quota/")
    if as_json:
        return output.json_out(found)
    console = output.console()
    grid = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    left = {"provider", "", "state"}
    minute = ("calls", "requests/min", "tokens/min") if every else ()
    for column in ("provider", "used", "", "tokens", "set aside", "quota", "cost", *minute, "state"):
        grid.add_column(column, justify="left" if column in left else "right", no_wrap=column != "state")
    held = [one for one in found["providers"] if every or one["used_tokens"] or one["reserved_tokens"] or not one["admits"]]
    for one in held or found["providers"]:
        numbers = [f"{one[name]:,}" for name in ("used_tokens", "reserved_tokens", "limit_tokens")]
        rates = [
            f"{one['inflight']}/{one['concurrency_limit']}",
            f"{one['requests_minute']:,}/{one['requests_minute_limit']:,}",
            f"{one['tokens_minute']:,}/{one['tokens_minute_limit']:,}",
        ]
        bar, cost = _bar(one["percent"], one["level"]), f"${float(one['cost_usd']):.2f}"
        grid.add_row(one["provider"], f"{one['percent']:.1f}%", bar, *numbers, cost, *(rates if every else ()), _state(one))
    console.print(grid)
    console.print(
        f"\nSpent ${float(found['spent_usd']):.2f} of ${float(found['daily_budget_usd']):.2f} in {found['window_hours']} hours"
    )
    if not found["circuit_breaker_enabled"]:
        console.print("The circuit breaker is switched off: calls go on until the quotas are used up.", style="yellow")
    return None


@app.command()
def pause(provider: Provider, reason: Reason, as_json: output.AsJson = False) -> None:
    """Let no call to a provider leave until it is resumed. Its stages wait. For operators."""
    _switch(provider, "pause", reason, as_json=as_json)


@app.command()
def resume(provider: Provider, reason: Reason, as_json: output.AsJson = False) -> None:
    """Let calls to a provider leave again. For operators."""
    _switch(provider, "resume", reason, as_json=as_json)


def _switch(provider: str, turn: str, reason: str, *, as_json: bool) -> None:
    with Client.here() as client:
        change = client.post(f"quota/{provider}/{turn}/", {"reason": reason})
    if as_json:
        return output.json_out(change)
    already = "" if change["changed"] else "already "
    return output.say(
        f"{provider} is {already}{turn}d" + (f" by {change['actor']}: {change['reason']}" if "actor" in change else "")
    )
