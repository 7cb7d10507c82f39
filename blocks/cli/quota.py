"""`blocks quota`: what each provider may still use; pause and resume one."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from blocks.cli import output
from blocks.cli.client import Client
from blocks.format.moments import describe_moment

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show what each provider may still use; pause and resume one.",
)
_WIDE, _BAR, _SHORT_BAR = 100, 20, 8  # columns of a terminal from which the longer bar fits
_STYLES = {"ok": "green", "warning": "yellow", "paused": "red", "rollback": "bold red"}
Provider = Annotated[str, typer.Argument(help="anthropic, openai or google.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded with who and when.")]


@app.callback()
def quota() -> None:
    """Show what each provider may still use."""


def _draw_bar(percent: float, level: str, width: int) -> Text:
    # More than 100 percent is possible: a quota can be lowered below what was used.
    filled = min(width, round(percent / 100 * width))
    return Text("█" * filled, style=_STYLES[level]) + Text("░" * (width - filled), style="dim")


def _format_until(text: str | None) -> str:
    if text is None:
        return ""
    return f" until {describe_moment(datetime.fromisoformat(text), datetime.now(UTC))}"


def _summarise_state(one: Mapping[str, Any]) -> Text:
    """One word, which fits every terminal; ``_list_notes`` says more."""
    if one["paused"]:
        return Text("paused", style="red")
    # Full for now, or the breaker is open: stages wait and continue by themselves.
    if not one["admits"]:
        return Text("waiting", style="yellow")
    if one["breaker"] != "closed":
        return Text("probing", style="yellow")
    return Text("ok", style="green") if one["level"] == "ok" else Text(one["level"], style="yellow")


def _list_notes(one: Mapping[str, Any]) -> list[str]:
    """What the provider waits for, and what else an operator should know about it."""
    notes = []
    if one["paused"]:
        notes.append(f"paused: {one['pause_reason']}")
    elif not one["admits"]:
        notes.append(str(one["reason"]).removeprefix(f"{one['provider']}: "))
    if one["level"] == "rollback":
        notes.append("so much is used that the rollout is to be rolled back")
    if one["breaker"] != "closed":
        # A breaker that probes has no time: the next call decides.
        until = _format_until(one["breaker_until"]) if one["breaker"] == "open" else ""
        notes.append(f"breaker {one['breaker']}{until}")
    if one["unknown_calls"]:
        calls = "1 call" if one["unknown_calls"] == 1 else f"{one['unknown_calls']} calls"
        notes.append(f"{calls} of unknown use, ${float(one['unknown_usd']):.2f}")
    return notes


def _make_table(*columns: str) -> Table:
    grid = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(
            column, justify="left" if column in {"provider", "", "state"} else "right", no_wrap=True
        )
    return grid


def _minute_table(providers: Iterable[Mapping[str, Any]]) -> Table:
    """Calls that run now, and what counts against the limits of this minute."""
    grid = _make_table("provider", "calls", "requests/min", "tokens/min")
    for one in providers:
        grid.add_row(
            one["provider"],
            f"{one['inflight']}/{one['concurrency_limit']}",
            f"{one['requests_minute']:,}/{one['requests_minute_limit']:,}",
            f"{one['tokens_minute']:,}/{one['tokens_minute_limit']:,}",
        )
    return grid


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
    console = output.make_console()
    width = _BAR if console.width >= _WIDE else _SHORT_BAR
    grid = _make_table("provider", "used", "", "tokens", "set aside", "quota", "cost", "state")
    # On a fresh service no provider was used: then all are shown, rather than an empty table.
    shown = [one for one in found["providers"] if every or _is_noteworthy(one)] or found["providers"]
    for one in shown:
        grid.add_row(
            one["provider"],
            f"{one['percent']:.1f}%",
            _draw_bar(one["percent"], one["level"], width),
            f"{one['used_tokens']:,}",
            f"{one['reserved_tokens']:,}",
            f"{one['limit_tokens']:,}",
            f"${float(one['cost_usd']):.2f}",
            _summarise_state(one),
        )
    console.print(grid)
    notes = {one["provider"]: _list_notes(one) for one in shown}
    lines = [f"{provider}: {'; '.join(parts)}" for provider, parts in notes.items() if parts]
    if lines:
        console.print("\n" + "\n".join(lines), markup=False)
    if every:
        console.print()
        console.print(_minute_table(shown))
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
    already = "" if change["changed"] else "already "
    return output.print_line(
        f"{provider} is {already}{turn}d"
        + (f" by {change['actor']}: {change['reason']}" if "actor" in change else "")
    )
