"""A flow while it runs: a live table on a terminal, one line for each change elsewhere."""

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from blocks.cli import output

MARKS = {
    "pending": ("·", "dim"),
    "ready": ("○", "cyan"),
    "running": ("●", "bold cyan"),
    "waiting": ("◔", "yellow"),
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
    "cancelled": ("⊘", "magenta"),
    "paused": ("❙", "yellow"),
    "errored": ("!", "bold red"),
}


def parse_moment(text: str | None) -> datetime | None:
    """A time of the service."""
    return None if text is None else datetime.fromisoformat(text)


def format_duration(value: float | None) -> str:
    """A duration for people: ``3.2s``, ``1m 04s``."""
    if value is None:
        return ""
    if value < 60:
        return f"{max(value, 0):.1f}s"
    return f"{int(value // 60)}m {int(value % 60):02d}s"


def format_usd(text: str) -> str:
    """An amount for people, to a hundredth of a cent; empty for nothing."""
    return f"${float(text):.4f}" if float(text) else ""


def mark_status(status: str) -> Text:
    """A status with its sign and colour."""
    sign, style = MARKS.get(status, ("?", ""))
    return Text(f"{sign} {status}", style=style)


def measure_elapsed(stage: Mapping[str, Any]) -> float | None:
    """Seconds of a stage, running on while it runs."""
    start, end = parse_moment(stage["started_at"]), parse_moment(stage["finished_at"])
    if start is None:
        return None
    return ((end or datetime.now(UTC)) - start).total_seconds()


def name_stage(stage: Mapping[str, Any]) -> str:
    """``verify``, and from the first repair on ``verify (round 2)``."""
    return str(stage["kind"]) + (f" (round {stage['round']})" if stage["round"] > 1 else "")


def describe_note(stage: Mapping[str, Any]) -> str:
    """Why it waits, why it failed, or how often it was tried."""
    if stage["wait_reason"]:
        return str(stage["wait_reason"])
    if stage["error"]:
        return str(stage["error"]["message"]).partition("\n")[0]
    tries = len(stage["attempts"])
    instead = next(
        (f"{a['model']} instead of {a['fallback_from']}" for a in stage["attempts"] if a["fallback_from"]), ""
    )
    return ", ".join(part for part in (f"attempt {tries}" if tries > 1 else "", instead) if part)


def stage_table(flow: Mapping[str, Any]) -> Table:
    """The stages of a flow."""
    grid = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("stage", "status", "by", "time", "cost", ""):
        grid.add_column(
            column,
            justify="right" if column in {"time", "cost"} else "left",
            no_wrap=column != "",
            max_width=None if column else output.TEXT_WIDTH,
        )
    for stage in flow["stages"]:
        by = stage["model"] or stage["queue"]
        grid.add_row(
            name_stage(stage),
            mark_status(stage["status"]),
            Text(by, style="dim"),
            format_duration(measure_elapsed(stage)),
            format_usd(stage["cost_usd"]),
            describe_note(stage),
        )
    return grid


class Progress:
    """Shows a flow while it runs. ``quiet`` shows nothing. Use as a context manager."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._flow: Mapping[str, Any] | None = None
        self._printed: dict[int, str] = {}
        live = console.is_terminal and not quiet
        self._live = (
            Live(get_renderable=self._render_live, console=console, refresh_per_second=8, transient=False)
            if live
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, flow: Mapping[str, Any]) -> None:
        """Take ``flow`` as the newest state."""
        self._flow = flow
        if self._quiet or self._live:
            return
        for stage in flow["stages"]:
            words = f"{stage['status']}  {describe_note(stage)}".rstrip()
            if stage["status"] not in {"pending", "ready"} and self._printed.get(stage["id"]) != words:
                self._printed[stage["id"]] = words
                took = (
                    f"  {format_duration(measure_elapsed(stage))} {format_usd(stage['cost_usd'])}".rstrip()
                    if stage["finished_at"]
                    else ""
                )
                line = f"{name_stage(stage):<20} {words}{took}"
                # Never inside a word: a search of the log for a path or an id must find it.
                lines = textwrap.wrap(
                    line,
                    output.LINE_WIDTH,
                    subsequent_indent=" " * 21,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                self._console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)

    def _render_live(self) -> RenderableType:
        flow = self._flow
        if flow is None:
            return Text("…", style="dim")
        start = parse_moment(flow["created_at"])
        end = parse_moment(flow["finished_at"]) or datetime.now(UTC)
        total = format_duration((end - start).total_seconds() if start else None)
        head = Text.assemble((flow["title"] or flow["id"], "bold"), ("  " + flow["repo"], "dim"))
        foot = Text.assemble(
            mark_status(flow["status"]),
            (f"   {total}   {format_usd(flow['cost_usd']) or '$0'}   {flow['id']}", "dim"),
        )
        return Group(head, Text(""), stage_table(flow), Text(""), foot)
