"""`blocks status flows`: which flows there are, and their states."""

import typer

from blocks.cli import flow_list, listing

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="List flows.")


@app.callback()
def status() -> None:
    """List flows."""


@app.command(cls=listing.ListCommand)
def flows(
    failed: flow_list.Failed = False,
    last_1h: flow_list.LastHour = False,
    last_24h: flow_list.LastDay = False,
    since: flow_list.Since = None,
    state: flow_list.State = None,
    repo: flow_list.Repo = None,
    limit: flow_list.Limit = 50,
    fields: listing.Fields = None,
) -> None:
    """List flows, newest first."""
    flow_list.list_flows(
        failed=failed,
        last=flow_list.choose_period(since, last_1h=last_1h, last_24h=last_24h),
        state=state,
        repo=repo,
        limit=limit,
        fields=fields,
    )
