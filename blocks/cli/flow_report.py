"""The result of a flow, in a terminal: its gates, its cost, its time, its error."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from blocks.cli import terminal
from blocks.cli.candidate import JUNIT, SARIF, FetchedCandidate, choose_newest
from blocks.cli.durations import format_duration, format_percent, format_usd
from blocks.cli.progress import mark_status, parse_moment
from blocks.cli.remedy import find_remedy


def gate_table(gates: Iterable[Mapping[str, Any]], *, every_round: bool = False) -> Table:
    """One line for each gate: of its newest round, or of every round."""
    shown = list(gates) if every_round else choose_newest(gates)
    grid = _make_table("Quality gates")
    for column in ("gate", "verdict"):
        grid.add_column(column, no_wrap=True)
    figures: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "score": lambda gate: format_percent(gate["score"]),
        "needed": lambda gate: format_percent(gate["threshold"]),
        "round": lambda gate: str(gate["round"]),
    }
    if terminal.make_console().width < terminal.TEXT_WIDTH:
        # The verdict says what the figures come to; the sentences need the room.
        figures = {"round": figures["round"]} if every_round else {}
    for column in figures:
        grid.add_column(column, justify="right", no_wrap=True)
    # Only sentences are wrapped: a verdict or a figure in two halves cannot be read.
    grid.add_column("finding", max_width=terminal.TEXT_WIDTH)
    for gate in shown:
        cells = [read(gate) for read in figures.values()]
        grid.add_row(gate["gate"], mark_status(gate["verdict"]), *cells, Text(gate["summary"]))
    return grid


def compare_gates(comparison: Iterable[Mapping[str, Any]]) -> Table:
    """Each gate as it was sealed and as it was replayed."""
    grid = Table("Gate", "Sealed", "Score", "Replayed", "Score", "", box=None, pad_edge=False)
    for row in comparison:
        grid.add_row(
            row["gate"],
            row["sealed"],
            row["sealed_score"] or "",
            row["replayed"],
            row["replayed_score"] or "",
            "same" if row["same"] else "DIFFERENT",
        )
    return grid


def _make_table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        padding=(0, 2, 0, 0),
    )


def print_candidate(console: Console, found: FetchedCandidate, folder: Path) -> None:
    """Where a candidate is, and what its gates said."""
    console.print(f"{found.flow['id']}, round {found.number} of {max(found.rounds)}", soft_wrap=True)
    if found.gates:
        console.print(gate_table(found.gates, every_round=True))
    else:
        console.print("No gate has judged this round.")
    console.print()
    console.print(f"Files     {folder}  ({', '.join(sorted(found.files))})", soft_wrap=True)
    console.print(f"Findings  {SARIF} for code hosts, {JUNIT} for CI", soft_wrap=True)
    console.print("Nothing vouches for a candidate: it is not a block, and git ignores it.", soft_wrap=True)


def describe_cost(flow: Mapping[str, Any]) -> str:
    """The cost of a flow and each provider's part of it."""
    total = f"Cost {format_usd(flow['cost_usd']) or '$0'}"
    parts = [f"{name} {format_usd(amount) or '$0'}" for name, amount in flow["cost_by_provider"].items()]
    return f"{total}  ({', '.join(parts)})" if parts else total


def find_first_cure(gates: Iterable[Mapping[str, Any]]) -> str:
    """The cure of the first gate that did not pass in its newest round; empty where all did."""
    for gate in choose_newest(gates):
        # One cure, not all: gates run in order, and a later failure often follows from the first.
        if gate["verdict"] != "passed" and gate["cure"]:
            return f"{gate['gate']}: {gate['cure']}"
    return ""


def list_remedies(gates: Iterable[Mapping[str, Any]], flow_id: str) -> list[dict[str, Any]]:
    """What to do about each gate that did not pass in its newest round, for machines."""
    found = [(gate["gate"], find_remedy(gate, flow_id)) for gate in choose_newest(gates)]
    return [{"gate": gate, **asdict(remedy)} for gate, remedy in found if remedy]


def find_first_remedy(gates: Iterable[Mapping[str, Any]], flow_id: str) -> str:
    """What to do about the first gate that did not pass in its newest round; empty where all did."""
    # The first only: gates build on each other, and the second often goes away with the first.
    remedies = [find_remedy(gate, flow_id) for gate in choose_newest(gates)]
    return next((remedy.describe() for remedy in remedies if remedy), "")


def print_replay(console: Console, report: Mapping[str, Any]) -> None:
    """The result of a replay: its differences as a table, and one line."""
    if report["differences"]:
        console.print(_make_difference_table(report["differences"]))
        console.print()
    for why in report["skipped"]:
        console.print(Text(f"not replayed: {why}", style="dim"))
    verdict, style = ("SAME", "bold green") if report["same"] else ("DIFFERENT", "bold red")
    count = len(report["differences"])
    differences = "1 difference" if count == 1 else f"{count} differences"
    console.print(
        f"REPLAY {verdict} {report['flow']}: {report['stages']} stages, "
        f"{report['calls']} recorded answers, no call made, {differences}",
        style=style,
        soft_wrap=True,
    )


def _make_difference_table(differences: Iterable[Mapping[str, Any]]) -> Table:
    grid = _make_table("Differences")
    grid.add_column("stage", overflow="fold")
    grid.add_column("round", justify="right", overflow="fold")
    for column in ("what", "recorded", "replayed"):
        grid.add_column(column, overflow="fold")
    for found in differences:
        texts = (found["stage"], str(found["round"]), found["what"], found["recorded"], found["replayed"])
        # As texts, because a plain string would be read for markup.
        grid.add_row(*map(Text, texts))
    return grid


def describe_moments(flow: Mapping[str, Any]) -> str:
    """When a flow began and ended, in UTC."""
    # UTC, and said so: the reader and the service may be in two zones.
    began, ended = parse_moment(flow["created_at"]), parse_moment(flow["finished_at"])
    text = f"When {began:%F %T} UTC" if began else "When not known"
    return f"{text} to {ended:%F %T} UTC" if ended else text


def describe_time(flow: Mapping[str, Any]) -> str:
    """Where the time went."""
    spent = flow["time"]
    parts = (
        f"models {format_duration(spent['provider_seconds'])}",
        f"gates {format_duration(spent['gates_seconds'])}",
        f"orchestrator {format_duration(spent['own_seconds'])}",
    )
    # An older service says nothing about what bounded the time.
    bound = f"; most of it: {spent['bound_by']}" if spent.get("bound_by") else ""
    return f"Time {format_duration(spent['wall_seconds'])}  ({', '.join(parts)}{bound})"


def describe_estimate(flow: Mapping[str, Any]) -> str:
    """How long a new flow will take, and why its deadline may be missed; empty while the service cannot
    say.
    """
    estimate = flow.get("estimate")
    if not estimate:
        return ""
    sentence = (
        f"It takes about {estimate['p50_seconds']:.0f} to {estimate['p95_seconds']:.0f} s without repair."
    )
    return f"{sentence} {estimate['warning']}".rstrip()


def print_wait(console: Console, flow: Mapping[str, Any]) -> None:
    """Why a flow waits, where it does."""
    if flow["wait_reason"]:
        console.print(
            Text(f"waits: {flow['wait_reason']}", style="yellow"),
            width=min(console.width, terminal.LINE_WIDTH),
        )


def print_error(console: Console, error: Mapping[str, str] | None) -> None:
    """Why a flow failed, and how to fix it."""
    if error:
        width = min(console.width, terminal.LINE_WIDTH)
        console.print(Text(f"{error['code']}: {error['message']}", style="red"), width=width)
        if error["cure"]:
            console.print(Text(f"  cure: {error['cure']}"), width=width)
