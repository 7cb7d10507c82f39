"""The list of flows, which `blocks flow list` and `blocks status flows` print."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from blocks.cli import listing
from blocks.cli.client import Client
from blocks.cli.durations import format_duration, format_usd
from blocks.cli.listing import ListColumn

Failed = Annotated[bool, typer.Option("--failed", help="Only failed ones.")]
LastHour = Annotated[bool, typer.Option("--last-1h", help="Of the last hour.")]
LastDay = Annotated[bool, typer.Option("--last-24h", help="Of the last 24 hours.")]
Since = Annotated[str | None, typer.Option(help="Of the last 30m, 6h, 7d, or since an ISO time.")]
State = Annotated[str | None, typer.Option("--status", help="running, waiting, ...; several with commas.")]
Repo = Annotated[str | None, typer.Option(help="Of one repo.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")]


def _describe_request(flow: Mapping[str, Any]) -> str:
    # One reason: a flow that has ended no longer waits.
    reason = flow["error"]["code"] if flow["error"] else flow["wait_reason"]
    return "  ".join(filter(None, (flow["title"], reason)))


COLUMNS: Final = (
    ListColumn("flow", lambda flow: flow["id"]),
    ListColumn("status", lambda flow: flow["status"], states=True),
    ListColumn("time", lambda flow: format_duration(flow["duration_seconds"]), right=True, leaves=1),
    ListColumn("cost", lambda flow: format_usd(flow["cost_usd"]), right=True, leaves=2),
    ListColumn("family", lambda flow: flow["block_family"], leaves=4),
    ListColumn("repo", lambda flow: flow["repo"], leaves=3),
    ListColumn("request", _describe_request, words=True),
)


def list_flows(
    *, failed: bool, last: str | None, state: str | None, repo: str | None, limit: int, fields: str | None
) -> None:
    """Print the flows, newest first."""
    # Filtered by the service: filtering a page here would show fewer than --limit says.
    query: dict[str, Any] = {
        "since": last,
        "status": state,
        "repo": repo,
        "failed": "true" if failed else None,
    }
    with Client.of_workspace() as client:
        found = client.list_rows("flows/", limit=limit, **query)
    period = f" of the last {last}" if last else ""
    empty = f"No flows{period} failed." if failed else f"No flows{period}."
    listing.print_list("flows", found, COLUMNS, fields, empty=empty)


def choose_period(since: str | None, *, last_1h: bool, last_24h: bool) -> str | None:
    """How far back to look. The short options are for people in a hurry; ``since`` wins over them."""
    if since is not None:
        return since
    if last_1h:
        return "1h"
    return "24h" if last_24h else None
