"""`blocks token`: make, list, rotate and revoke tokens. A secret is shown once, alone on standard output."""

import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

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
    help="Make, list, rotate and revoke tokens.",
)
# What a job of CI needs: start a flow, follow it, fetch its block.
_CI_SCOPES: Final = ("flows:read", "flows:write", "blocks:read")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Number = Annotated[int, typer.Argument(metavar="ID", help="As `blocks token list` shows it.")]


def _describe_end(token: Row) -> str:
    return format_moment(token["expires_at"]) if token["expires_at"] else "never"


def _describe_use(token: Row) -> str:
    if token["last_used_at"] is None:
        return "never"
    place = f" from {token['last_used_from']}" if token["last_used_from"] else ""
    return format_moment(token["last_used_at"]) + place


COLUMNS: Final = (
    ListColumn("id", lambda token: str(token["id"]), right=True),
    ListColumn("name", lambda token: token["name"]),
    ListColumn("status", lambda token: token["status"]),
    ListColumn("repo", lambda token: token["repo"] or "every repo", leaves=2),
    ListColumn("ends", _describe_end, leaves=1, labelled=True),
    ListColumn("last used", _describe_use, leaves=3, labelled=True),
    ListColumn("scopes", lambda token: " ".join(token["scopes"]), words=True),
)


@app.callback()
def token() -> None:
    """Make, list, rotate and revoke tokens."""


@app.command("list", cls=listing.ListCommand)
def list_tokens(
    repo: Annotated[str | None, typer.Option(help="Of one repo.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 100,
    fields: listing.Fields = None,
) -> None:
    """List tokens, newest first: what each may do, until when, and when and from where it was used last."""
    with Client.of_workspace() as client:
        found = client.list_rows("tokens/", limit=limit, repo=repo)
    listing.print_list("tokens", found, COLUMNS, fields, empty="No tokens.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, such as 'nightly build'.")],
    repo: Annotated[str, typer.Option(help="The repo; as in .blocks/config.yml by default.")] = "",
    operator: Annotated[bool, typer.Option("--operator", help="For every repo, in place of one.")] = False,
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; several times. What a job of CI needs by default."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="How long it lives; 90 by default.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Make a token. Standard output has its secret and nothing else; it is not shown again."""
    # Said here, because the service would take the wider of the two.
    if repo and operator:
        raise Failure("A token is for one repo or for all.", cure="Leave out --repo or --operator.")
    body: dict[str, Any] = {"name": name, "scopes": list(scopes or _CI_SCOPES)}
    # A token that is bound to a repo means its own where none is named.
    if operator:
        body["operator"] = True
    elif named := repo or workspace.find_workspace().repo:
        body["repo"] = named
    if days is not None:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    with Client.of_workspace() as client:
        made = client.post("tokens/", body)
    _print_secret(made, as_json=as_json)


@app.command()
def rotate(
    number: Number,
    overlap: Annotated[
        str, typer.Option(help="How long the old one works beside it: 30m, 1h, 1d; 0s ends it at once.")
    ] = "1d",
    as_json: output.AsJson = False,
) -> None:
    """Make the successor of a token: the same name, repo and scopes. Both work until the overlap is over."""
    body = {"overlap_seconds": _parse_overlap(overlap)}
    with Client.of_workspace() as client:
        made = client.post(f"tokens/{number}/rotate/", body)
    _print_secret(made, as_json=as_json)


@app.command()
def revoke(
    number: Number,
    agreed: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """End a token at once. What still uses it is refused from then on."""
    with Client.of_workspace() as client:
        found = client.get(f"tokens/{number}/")
        # With when it was used last: that is what tells a dead token from one that a job needs tonight.
        if not agreed:
            used = _describe_use(found)
            output.require_agreement(f"Revoke {found['name']}, last used {used}?", option="--yes")
        client.delete(f"tokens/{number}/")
        found = client.get(f"tokens/{number}/")
    output.print_json(found) if as_json else output.print_line(f"{found['name']} is {found['status']}.")


def _parse_overlap(text: str) -> int:
    """Seconds."""
    # Six digits of days are 2,700 years; the service has its own bound.
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise Failure(
            f"--overlap {text[:40]!r} cannot be understood.",
            cure="Give a number with a unit: 30m, 1h, 1d.",
            code="cli:bad-option",
        )
    return int(match[1]) * _UNITS[match[2]]


def _print_secret(made: Mapping[str, Any], *, as_json: bool) -> None:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # The log of a job is read by many: from here on the runner strikes it out.
        sys.stderr.write(f"::add-mask::{made['secret']}\n")
    if as_json:
        return output.print_json(made)
    if not output.is_quiet():
        reach, ends = made["repo"] or "every repo", _describe_end(made)
        output.print_warning(
            f"Token {made['id']} for {reach}: {' '.join(made['scopes'])}; ends: {ends}. "
            "Keep the secret now; it is not shown again."
        )
    return output.print_result(made["secret"])
