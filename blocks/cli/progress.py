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

from blocks.cli import output, terminal
from blocks.cli.durations import format_duration, format_usd

# From so many columns of a terminal on there is room for who works, and for sentences beside the figures.
_ROOMY, _WIDE = 80, 100
_NOT_STARTED = frozenset({"pending", "ready"})
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
    """A time as the service writes it, RFC 3339."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def mark_status(status: str) -> Text:
    """A status with its sign and colour."""
    sign, style = MARKS.get(status, ("?", ""))
    return Text(f"{sign} {status}", style=style)


def measure_elapsed(stage: Mapping[str, Any]) -> float | None:
    """The seconds that a stage took, or has taken so far; ``None`` before it starts."""
    start, end = parse_moment(stage["started_at"]), parse_moment(stage["finished_at"])
    if start is None:
        return None
    return ((end or datetime.now(UTC)) - start).total_seconds()


def name_stage(stage: Mapping[str, Any]) -> str:
    """``verify``, and from the first repair on ``verify (round 2)``."""
    kind = str(stage["kind"])
    return f"{kind} (round {stage['round']})" if stage["round"] > 1 else kind


def describe_doing(stage: Mapping[str, Any]) -> str:
    """What a stage is doing, or its note where it does not say."""
    # An older service has no such field.
    return str(stage.get("progress") or "") or describe_note(stage)


def describe_note(stage: Mapping[str, Any]) -> str:
    """Why it waits, why it failed, or how often it was tried."""
    if stage["wait_reason"]:
        return str(stage["wait_reason"])
    if stage["error"]:
        # The first line fits a column; the whole message follows at the end.
        return str(stage["error"]["message"]).partition("\n")[0]
    attempts = stage["attempts"]
    parts = [f"attempt {len(attempts)}"] if len(attempts) > 1 else []
    # The model that answered is not the one that was configured, where that one was not available.
    replaced = [attempt for attempt in attempts if attempt["fallback_from"]]
    if replaced:
        parts.append(f"{replaced[0]['model']} instead of {replaced[0]['fallback_from']}")
    return ", ".join(parts)


def stage_table(flow: Mapping[str, Any], width: int) -> RenderableType:
    """The stages of a flow on ``width`` columns of a terminal. Where that is narrow, notes come below, and
    where it is very narrow nobody is told who works.
    """
    roomy, wide = width >= _ROOMY, width >= _WIDE
    grid = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("stage", "status", "by") if roomy else ("stage", "status"):
        grid.add_column(column, no_wrap=True)
    for column in ("time", "cost"):
        grid.add_column(column, justify="right", no_wrap=True)
    if wide:
        # The notes are sentences, which may be wrapped.
        grid.add_column("", max_width=terminal.TEXT_WIDTH)
    notes = []
    for stage in flow["stages"]:
        cells = [Text(name_stage(stage)), mark_status(stage["status"])]
        if roomy:
            # An older service does not tell the prompt.
            by = f"{stage['model'] or stage['queue']} {stage.get('prompt') or ''}".rstrip()
            cells.append(Text(by, style="dim"))
        cells += [Text(format_duration(measure_elapsed(stage))), Text(format_usd(stage["cost_usd"]))]
        note = describe_doing(stage)
        if wide:
            cells.append(Text(note))
        elif note:
            notes.append(Text(f"{name_stage(stage)}: {note}"))
        grid.add_row(*cells)
    return Group(grid, Text(""), *notes) if notes else grid


class Progress:
    """Shows a flow while it runs. ``quiet`` shows nothing. Use as a context manager."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._flow: Mapping[str, Any] | None = None
        self._printed: dict[int, str] = {}
        self._live: Live | None = None
        # A log or a pipe gets a line for each change: a picture that is drawn again and again would fill it.
        # So does a job of CI that asks for colours, which makes the console take it for a terminal.
        if console.is_terminal and console.file.isatty() and not output.is_job() and not quiet:
            self._live = Live(get_renderable=self._render_live, console=console, refresh_per_second=8)

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
            # A flow is read at each event; most events change no more than one stage.
            if stage["status"] in _NOT_STARTED or self._printed.get(stage["id"]) == words:
                continue
            self._printed[stage["id"]] = words
            self._print_stage(stage, words)

    def _print_stage(self, stage: Mapping[str, Any], words: str) -> None:
        line = f"{name_stage(stage):<20} {words}"
        if stage["finished_at"]:
            line += f"  {format_duration(measure_elapsed(stage))} {format_usd(stage['cost_usd'])}".rstrip()
        # Never inside a word: a search of the log for a path or an id must find it.
        lines = textwrap.wrap(
            line,
            terminal.LINE_WIDTH,
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
        return Group(head, Text(""), stage_table(flow, self._console.width), Text(""), foot)
