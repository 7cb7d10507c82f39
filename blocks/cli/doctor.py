"""`blocks doctor`: is everything here that a flow needs? Each line says what was found, and how to fix it."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import typer

from blocks import __version__
from blocks.cli import output, service_version, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.workspace import Workspace
from blocks.format.selection import BLOCKS_FOLDER, CONFIG

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_MOST_CLOCK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``state``: ok, note (works, but look at it) or wrong."""

    name: str
    state: str
    found: str
    cure: str = ""
    exit_code: Exit = Exit.USAGE


@app.command()
def examine(as_json: output.AsJson = False) -> None:
    """Check this folder, the token, the service and the versions. Exits 0 when a flow could run, else with
    the code that it would end with.
    """
    found = []
    for check in run_checks():
        found.append(check)
        # Each as it is found: those that ask the service may take seconds.
        if not as_json:
            _print_check(check)
    wrong = [check for check in found if check.state == "wrong"]
    if as_json:
        shown = [_describe(check) for check in found]
        output.print_json({"ok": not wrong, "checks": shown})
    if wrong:
        raise typer.Exit(wrong[0].exit_code)


def _describe(check: Check) -> dict[str, str]:
    return {"name": check.name, "state": check.state, "found": check.found, "cure": check.cure}


def _print_check(check: Check) -> None:
    output.print_line(f"{check.state:<5}  {check.name:<8}  {check.found}")
    if check.cure:
        output.print_line(f"                 cure: {check.cure}")


def run_checks() -> Iterator[Check]:
    """The checks in the order in which one needs the other; ends where the next could not be made."""
    yield Check("blocks", "ok", f"{__version__}, Python {platform.python_version()}")
    try:
        here = workspace.find_workspace()
    except Failure as failure:
        yield _explain("folder", failure)
        return
    yield from _check_folder(here)
    try:
        with Client(here.url, workspace.read_token(here)) as client:
            yield from _check_service(client)
            yield from _check_token(client, here)
    except Failure as failure:
        # A flow would fail of the same.
        yield _explain("service" if failure.exit_code == Exit.UNREACHABLE else "token", failure)


def _explain(name: str, failure: Failure) -> Check:
    return Check(name, "wrong", failure.message, failure.cure, failure.exit_code)


def _check_folder(here: Workspace) -> Iterator[Check]:
    if (here.root / CONFIG).is_file():
        # Where it is seen from here: a path from the root is longer than a line.
        shown = os.path.relpath(here.root / CONFIG)
        yield Check("folder", "ok", f"{shown}, repo {here.repo or '(not named)'}")
    else:
        yield Check("folder", "note", f"{here.root} has no {CONFIG}", "Run `blocks init`.")
        return
    if not (here.blocks / ".gitattributes").is_file():
        yield Check(
            "folder",
            "note",
            "git may convert the line ends of blocks, after which no digest is right",
            "Run `blocks init`; it adds .blocks/.gitattributes.",
        )
    # Not read here: whether a key is one is said by `blocks verify`, in its own words.
    pinned = len(list((here.blocks / "keys").glob("*.pem")))
    if pinned:
        yield Check("keys", "ok", f"{pinned} trusted, under {BLOCKS_FOLDER}/keys/")
    else:
        cure = "Run `blocks verify key` and commit .blocks/keys/; a job of CI trusts only what is there."
        yield Check("keys", "note", "no key is trusted yet", cure)


def _check_service(client: Client) -> Iterator[Check]:
    # Without the token: whether the service is there is asked before whether it knows us.
    answer = client.ask_anybody("ready")
    version = answer.headers.get(service_version.HEADER) or "of unknown version"
    if answer.is_success:
        yield Check("service", "ok", f"{client.url} is ready, {version}")
    else:
        yield Check(
            "service",
            "wrong",
            f"{client.url} is not ready ({answer.status_code})",
            f"Wait, or look at {client.url}/status/ and tell the operators.",
            Exit.UNREACHABLE,
        )
    apart = _measure_clock(answer.headers.get("Date"))
    if abs(apart) > _MOST_CLOCK_SECONDS:
        yield Check(
            "clock",
            "note",
            f"this machine's clock and the service's are {abs(apart):.0f} s apart",
            "Set the clock, with NTP; times here and there do not fit together otherwise.",
        )


def _measure_clock(date: str | None) -> float:
    """How many seconds the service's clock is ahead; 0 where it does not say."""
    try:
        return (parsedate_to_datetime(date or "") - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _check_token(client: Client, here: Workspace) -> Iterator[Check]:
    owner: dict[str, Any] = client.get("whoami/")
    yield Check("token", "ok", f"{owner['name']}, for {owner['repo'] or 'every repo'}")
    # The folder goes first, as in `flow run`.
    name = here.repo or owner["repo"]
    if not name:
        yield Check("repo", "note", "no repo is named", "Use --repo, or run `blocks init` in the repo.")
        return
    repo = client.get(f"repos/{name}/")
    if repo["enabled"] and not repo["paused"]:
        yield Check("repo", "ok", f"{name} may run flows, phase {repo['phase']}")
        return
    state = "is not enabled" if not repo["enabled"] else "is paused"
    yield Check("repo", "wrong", f"{name} {state}", "Ask the operators; they enable repos.", Exit.NOT_ALLOWED)
