"""`blocks status flows`: which flows there are and how they stand."""

from typing import Annotated, Any

import typer
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
    ago = since or ("1h" if last_1h else "24h" if last_24h else None)
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
        return console.print(
            "No flows" + (f" of the last {ago}" if ago else "") + (" failed." if failed else ".")
        )
    grid = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    narrow = console.is_terminal and console.width < _NARROW
    for column in ("flow", "status", "time", "cost", *(() if narrow else ("repo",)), "request"):
        # Only what may be wrapped is made narrower: where nothing may be, ids and figures would be cut too.
        wraps = column == "request" and console.is_terminal
        grid.add_column(
            column,
            justify="right" if column in {"time", "cost"} else "left",
            no_wrap=not wraps,
            overflow="fold",
        )
    for flow in found:
        more = flow["error"]["code"] if flow["error"] else flow["wait_reason"]
        why = "  ".join(part for part in (flow["title"], more, f"({flow['repo']})" if narrow else "") if part)
        took = format_duration(flow["duration_seconds"])
        grid.add_row(
            flow["id"],
            mark_status(flow["status"]),
            took,
            format_usd(flow["cost_usd"]),
            *(() if narrow else (flow["repo"],)),
            Text(why),
        )
    return console.print(grid)


def _fetch_pages(client: Client, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        page = client.get("flows/", limit=min(_PAGE, limit - len(found)), cursor=cursor, **query)
        found += page["results"]
        cursor = client.read_cursor(page["next"])
        if cursor is None:
            break
    return found
