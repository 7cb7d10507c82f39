"""What a flow came to: its gates, its cost, its error."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from blocks.cli import output
from blocks.cli.progress import format_duration, format_usd, mark_status


def _format_percent(value: str | None) -> str:
    return "" if value is None else f"{float(value):g} %"


def gate_table(gates: Iterable[Mapping[str, Any]], *, every_round: bool = False) -> Table:
    """One line for each gate: of its newest round, or of every round."""
    found = list(gates)
    if not every_round:
        newest = {gate["gate"]: gate for gate in found}
        found = list(newest.values())
    grid = Table(
        title="Quality gates",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for column in ("gate", "verdict", "score", "needed", "round", "finding"):
        grid.add_column(
            column,
            justify="right" if column in {"score", "needed", "round"} else "left",
            no_wrap=column != "finding",
            max_width=output.TEXT_WIDTH if column == "finding" else None,
        )
    for gate in found:
        grid.add_row(
            gate["gate"],
            mark_status(gate["verdict"]),
            _format_percent(gate["score"]),
            _format_percent(gate["threshold"]),
            str(gate["round"]),
            Text(gate["summary"]),
        )
    return grid


def cost_line(flow: Mapping[str, Any]) -> str:
    """The cost of a flow and each provider's part of it."""
    parts = ", ".join(
        f"{name} {format_usd(amount) or '$0'}" for name, amount in flow["cost_by_provider"].items()
    )
    return f"Cost {format_usd(flow['cost_usd']) or '$0'}" + (f"  ({parts})" if parts else "")


def find_first_cure(gates: Iterable[Mapping[str, Any]]) -> str:
    """The cure of the first gate that did not pass in its newest round; nothing where all did."""
    newest = {gate["gate"]: gate for gate in gates}
    return next(
        (
            f"{gate['gate']}: {gate['cure']}"
            for gate in newest.values()
            if gate["verdict"] != "passed" and gate["cure"]
        ),
        "",
    )


def print_replay(console: Console, report: Mapping[str, Any]) -> None:
    """What a replay came to: its differences as a table, and one line."""
    if report["differences"]:
        grid = Table(
            title="Differences",
            title_justify="left",
            title_style="bold",
            header_style="dim",
            box=None,
            padding=(0, 2, 0, 0),
        )
        for column in ("stage", "round", "what", "recorded", "replayed"):
            grid.add_column(column, justify="right" if column == "round" else "left", overflow="fold")
        for found in report["differences"]:
            texts = (found["stage"], str(found["round"]), found["what"], found["recorded"], found["replayed"])
            grid.add_row(*(Text(text) for text in texts))
        console.print(grid)
        console.print()
    for why in report["skipped"]:
        console.print(Text(f"not replayed: {why}", style="dim"))
    count = len(report["differences"])
    console.print(
        f"REPLAY {'SAME' if report['same'] else 'DIFFERENT'} {report['flow']}: {report['stages']} stages, "
        f"{report['calls']} recorded answers, no call made, {count} difference{'' if count == 1 else 's'}",
        style="bold green" if report["same"] else "bold red",
        soft_wrap=True,
    )


def time_line(flow: Mapping[str, Any]) -> str:
    """Where the time went."""
    spent = flow["time"]
    parts = (
        (spent["provider_seconds"], "models"),
        (spent["gates_seconds"], "gates"),
        (spent["own_seconds"], "orchestrator"),
    )
    return f"Time {format_duration(spent['wall_seconds'])}  ({', '.join(f'{name} {format_duration(value)}' for value, name in parts)})"


def print_wait(console: Console, flow: Mapping[str, Any]) -> None:
    """Why a flow waits, where it does."""
    if flow["wait_reason"]:
        console.print(
            Text(f"waits: {flow['wait_reason']}", style="yellow"), width=min(console.width, output.LINE_WIDTH)
        )


def print_error(console: Console, error: Mapping[str, str] | None) -> None:
    """Why a flow failed, and what mends it."""
    if error:
        width = min(console.width, output.LINE_WIDTH)
        console.print(Text(f"{error['code']}: {error['message']}", style="red"), width=width)
        if error["cure"]:
            console.print(Text(f"  cure: {error['cure']}"), width=width)
