"""What each provider may still use, as tables."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from blocks.format.moments import describe_moment

# From so many columns of a terminal on a bar fits, and from so many on the longer one.
_NARROW, _WIDE = 80, 100
_BAR, _SHORT_BAR = 20, 8
_STYLES = {"ok": "green", "warning": "yellow", "paused": "red", "rollback": "bold red"}


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


def print_usage(console: Console, providers: Iterable[Mapping[str, Any]]) -> None:
    """The last 24 hours of each provider against its quota, and below it what else is to know."""
    narrow = console.width < _NARROW
    bar = _BAR if console.width >= _WIDE else _SHORT_BAR
    columns = ("provider", "used", "", "tokens", "set aside", "quota", "cost", "state")
    # The bar repeats the percentage, and what is set aside is said below the table.
    left_out = {"", "set aside"} if narrow else set()
    grid = _make_table(*(name for name in columns if name not in left_out))
    notes = []
    for one in providers:
        cells = {
            "provider": one["provider"],
            "used": f"{one['percent']:.1f}%",
            "": _draw_bar(one["percent"], one["level"], bar),
            "tokens": f"{one['used_tokens']:,}",
            "set aside": f"{one['reserved_tokens']:,}",
            "quota": f"{one['limit_tokens']:,}",
            "cost": f"${float(one['cost_usd']):.2f}",
            "state": _summarise_state(one),
        }
        grid.add_row(*(cells[name] for name in columns if name not in left_out))
        parts = _list_notes(one)
        # What has no column is said below.
        if narrow and one["reserved_tokens"]:
            parts.append(f"{one['reserved_tokens']:,} tokens set aside")
        if parts:
            notes.append(f"{one['provider']}: {'; '.join(parts)}")
    console.print(grid)
    if notes:
        console.print("\n" + "\n".join(notes), markup=False)


def _make_table(*columns: str) -> Table:
    grid = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(
            column, justify="left" if column in {"provider", "", "state"} else "right", no_wrap=True
        )
    return grid


def minute_table(providers: Iterable[Mapping[str, Any]]) -> Table:
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
