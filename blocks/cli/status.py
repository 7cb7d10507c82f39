"""`blocks status flows`: which flows there are, and their states."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.progress import format_duration, format_usd, mark_status

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="List flows.")
_NARROW = 100  # below it a column for the repo would leave no room for words
_PAGE = 200


@app.callback()
def status() -> None:
    """List flows."""


@app.command()
def flows(
    failed: Annotated[bool, typer.Option("--failed", help="Only failed ones.")] = False,
    last_1h: Annotated[bool, typer.Option("--last-1h", help="Of the last hour.")] = False,
    last_24h: Annotated[bool, typer.Option("--last-24h", help="Of the last 24 hours.")] = False,
    since: Annotated[str | None, typer.Option(help="Of the last 30m, 6h, 7d, or since an ISO time.")] = None,
    state: Annotated[
        str | None, typer.Option("--status", help="running, waiting, ...; several with commas.")
    ] = None,
    repo: Annotated[str | None, typer.Option(help="Of one repo.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """List flows, newest first."""
    ago = since
    # The short options are for people in a hurry; --since wins over them.
    if ago is None and last_1h:
        ago = "1h"
    elif ago is None and last_24h:
        ago = "24h"
    query: dict[str, Any] = {
        "since": ago,
        "status": state,
        "repo": repo,
        "failed": "true" if failed else None,
    }
    with Client.of_workspace() as client:
        found = _fetch_pages(client, query, limit)
    if as_json:
        return output.print_json({"flows": found})
    console = output.make_console()
    if not found:
        period = f" of the last {ago}" if ago else ""
        return console.print(f"No flows{period} failed." if failed else f"No flows{period}.")
    return console.print(_make_table(console, found))


def _make_table(console: Console, flows: Iterable[Mapping[str, Any]]) -> Table:
    grid = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    narrow = console.is_terminal and console.width < _NARROW
    grid.add_column("flow", no_wrap=True, overflow="fold")
    grid.add_column("status", no_wrap=True, overflow="fold")
    grid.add_column("time", justify="right", no_wrap=True, overflow="fold")
    grid.add_column("cost", justify="right", no_wrap=True, overflow="fold")
    if not narrow:
        grid.add_column("repo", no_wrap=True, overflow="fold")
    # Only a column that may be wrapped is made narrower. If none may be, ids and figures would be cut.
    grid.add_column("request", no_wrap=not console.is_terminal, overflow="fold")
    for flow in flows:
        reason = flow["error"]["code"] if flow["error"] else flow["wait_reason"]
        repo = f"({flow['repo']})" if narrow else ""
        request = Text("  ".join(filter(None, (flow["title"], reason, repo))))
        cells = [
            flow["id"],
            mark_status(flow["status"]),
            format_duration(flow["duration_seconds"]),
            format_usd(flow["cost_usd"]),
        ]
        grid.add_row(*cells, request) if narrow else grid.add_row(*cells, flow["repo"], request)
    return grid


def _fetch_pages(client: Client, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        page = client.get("flows/", limit=min(_PAGE, limit - len(found)), cursor=cursor, **query)
        found += page["results"]
        # The last page has no next link.
        cursor = client.read_cursor(page["next"])
        if cursor is None:
            break
    return found
