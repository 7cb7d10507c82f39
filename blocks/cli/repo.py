"""`blocks repo`: the repos within reach of your token."""

from typing import Annotated

import typer

from blocks.cli import listing, output, workspace
from blocks.cli.client import Client
from blocks.cli.durations import format_moment
from blocks.cli.errors import Failure
from blocks.cli.listing import ListColumn, Row

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List repos, and show what is said of one.",
)


def _describe_state(repo: Row) -> str:
    """Whether flows may be started."""
    # Off goes before paused: resuming a repo that is off would not let it run.
    if not repo["enabled"]:
        return "off"
    return "paused" if repo["paused"] else "on"


COLUMNS = (
    ListColumn("repo", lambda repo: repo["name"]),
    ListColumn("state", _describe_state),
    ListColumn("phase", lambda repo: repo["phase"], leaves=1),
    ListColumn("domain", lambda repo: repo["domain"], leaves=3),
    ListColumn("team lead", lambda repo: repo["team_lead"], words=True),
)


@app.callback()
def repo() -> None:
    """List repos, and show what is said of one."""


@app.command("list", cls=listing.ListCommand)
def list_repos(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 100,
    fields: listing.Fields = None,
) -> None:
    """List the repos within reach of your token, newest first."""
    with Client.of_workspace() as client:
        found = client.list_rows("repos/", limit=limit)
    listing.print_list("repos", found, COLUMNS, fields, empty="No repos.")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="REPO", help="As in .blocks/config.yml, or your token's, by default.")
    ] = "",
    as_json: output.AsJson = False,
) -> None:
    """Show a repo: its phase, whether flows may be started, who leads it."""
    with Client.of_workspace() as client:
        # Where nothing names a repo, the token does: most are bound to one.
        chosen = name or workspace.find_workspace().repo or client.get("whoami/")["repo"]
        if not chosen:
            raise Failure(
                "No repo is named.", cure="Name one; `blocks repo list` lists them.", code="cli:no-repo"
            )
        found = client.get(f"repos/{chosen}/")
    if as_json:
        return output.print_json(found)
    for field, value in (
        ("repo", found["name"]),
        ("state", _describe_state(found)),
        ("phase", found["phase"]),
        ("domain", found["domain"]),
        ("team lead", found["team_lead"]),
        ("clone url", found["clone_url"]),
        ("onboarded", format_moment(found["onboarded_at"])),
    ):
        # A dash and not nothing: an empty value would look like a line that was cut.
        output.print_line(f"{field:<10} {value or '-'}")
    return None
