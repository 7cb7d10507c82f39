"""`blocks rollback`: plan, apply, look at and take back rollbacks. For operators."""

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Plan, apply and restore: to pilot scope, to manual review, to the previous version.",
)
# Cancelling a few hundred flows takes seconds; what takes longer is shown by `status`.
WAIT_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5
To = Annotated[str, typer.Option("--to", help="pilot, manual or version.")]
Flows = Annotated[str, typer.Option("--flows", help="drain lets running flows end, cancel ends them.")]
Repo = Annotated[str, typer.Option("--repo", help="The repo; none for a rollback to the previous version.")]
Which = Annotated[int | None, typer.Option("--rollback", help="Its number; the one in force by default.")]


@app.callback()
def rollback() -> None:
    """Plan, apply and restore: to pilot scope, to manual review, to the previous version."""


@app.command()
def plan(to: To = "pilot", flows: Flows = "drain", as_json: output.AsJson = False) -> None:
    """Print what a rollback would do. Nothing is done."""
    with Client.of_workspace() as client:
        found = client.get("rollback/plan/", kind=to, flows=flows)
    if as_json:
        return output.print_json(found)
    for repo in found["repos"]:
        columns = (repo["repo_name"], repo["onboarded_at"], f"{repo['flows']} flows", repo["owner"])
        output.print_line("  ".join(columns))
    for number, step in enumerate(found["steps"], 1):
        output.print_line(f"{number}. {step}")
    for command in found["commands"]:
        output.print_line(f"$ {command}")
    for message in found["announcements"]:
        output.print_line(f"{message['notifier']} {message['target']}: {message['body']}")
    return None


@app.command()
def apply(
    reason: Annotated[str, typer.Option("--reason", help="Why; people read it.")],
    to: To = "pilot",
    flows: Flows = "drain",
    incident: Annotated[int | None, typer.Option(help="Its incident; without one, a P1 opens.")] = None,
    eta: Annotated[str, typer.Option(help="For manual review: until when.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Roll back, and wait until it is in force. Announcements are drafted, and not sent."""
    body: dict[str, Any] = {"kind": to, "reason": reason, "flows": flows}
    if eta:
        body["eta"] = eta
    if incident is not None:
        body["incident"] = incident
    with Client.of_workspace() as client:
        found = client.post("rollback/", body)
        # The clock of this process: the service's may differ.
        until = time.monotonic() + WAIT_SECONDS
        while found["status"] == "applying" and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)
            found = client.get(f"rollback/{found['id']}/")
    if as_json:
        output.print_json(found)
    else:
        _print_rollback(found)
    # It is in force for new flows already; what is left is the cancelling of old ones.
    if found["status"] == "applying":
        raise typer.Exit(Exit.STILL_RUNNING)


@app.command()
def status(as_json: output.AsJson = False) -> None:
    """Show what is rolled back, and what the triggers see."""
    with Client.of_workspace() as client:
        found = client.get("rollback/")
    if as_json:
        return output.print_json(found)
    # Above the rollbacks: whether anything is taken, and whether anything would act, is asked first.
    output.print_line(f"onboarding: {'open' if found['onboarding_open'] else 'paused'}")
    output.print_line(f"triggers: {'dry run' if found['dry_run'] else 'in force'}")
    for one in found["triggers"]:
        output.print_line(f"trigger {one['name']}: {one['verdict']}, {one['detail']}")
    for one in found["rollbacks"]:
        _print_rollback(one)
    if not found["rollbacks"]:
        output.print_line("Nothing is rolled back.")
    return None


def _print_rollback(found: Mapping[str, Any]) -> None:
    output.print_line(
        f"rollback {found['id']} to {found['kind']}: {found['status']}, incident {found['incident']}, "
        f"{found['flows_left']} flows left: {found['reason']}"
    )
    for one in found["repos"]:
        votes = " ".join(f"{role}={verdict}" for role, verdict in sorted(one["votes"].items()))
        state = f"enabled again by {one['restored_by']}" if one["restored_at"] else f"off {votes}".rstrip()
        output.print_line(f"  {one['repo']}: {state}")
    for one in found["announcements"]:
        output.print_line(f"  announcement {one['id']} to {one['target']}: {one['status']}: {one['body']}")
    for command in found["commands"]:
        output.print_line(f"  $ {command}")


@app.command()
def vote(
    role: Annotated[str, typer.Option("--role", help="pm, tl or sre.")],
    verdict: Annotated[str, typer.Option("--verdict", help="go or no.")],
    repo: Repo = "",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    number: Which = None,
    as_json: output.AsJson = False,
) -> None:
    """Say GO or NO to bringing a repo back. The name of the token says who votes."""
    with Client.of_workspace() as client:
        chosen = number or _find_in_force(client, repo)
        body = {"repo": repo, "role": role, "verdict": verdict, "reason": reason}
        found = client.post(f"rollback/{chosen}/votes/", body)
    if as_json:
        return output.print_json(found)
    what = found["repo"] or f"rollback {chosen}"
    return output.print_line(
        f"{found['role']} {found['verdict']} by {found['person']} on {what}, until {found['expires_at']}"
    )


@app.command()
def restore(repo: Repo = "", number: Which = None, as_json: output.AsJson = False) -> None:
    """Bring one repo back, after GO by PM, TL and SRE."""
    with Client.of_workspace() as client:
        chosen = number or _find_in_force(client, repo)
        found = client.post(f"rollback/{chosen}/restore/", {"repo": repo})
    if as_json:
        return output.print_json(found)
    return _print_rollback(found)


def _find_in_force(client: Client, repo: str) -> int:
    """The rollback in force that the repo waits in; without a repo, the only one."""
    found = [one for one in client.get("rollback/")["rollbacks"] if one["status"] == "in_force"]
    # A repo can wait in two: of the pilot's scope, and of manual review.
    if repo:
        found = [one for one in found if repo in _list_waiting(one)]
    if len(found) != 1:
        what = "Not exactly one rollback is in force."
        if repo:
            what = f"{repo} waits in no rollback, or in several."
        raise Failure(what, cure="Name it with --rollback; `blocks rollback status` shows the numbers.")
    return int(found[0]["id"])


def _list_waiting(found: Mapping[str, Any]) -> list[str]:
    return [row["repo"] for row in found["repos"] if not row["restored_at"]]


@app.command()
def decline(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `blocks rollback status` shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; people read it.")],
    as_json: output.AsJson = False,
) -> None:
    """Say no to a rollback that a trigger asks for: what it has paused continues."""
    with Client.of_workspace() as client:
        found = client.post(f"rollback/{number}/decline/", {"reason": reason})
    if as_json:
        return output.print_json(found)
    return _print_rollback(found)


@app.command()
def announce(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The announcement, as status shows it.")],
    body: Annotated[str, typer.Option("--body", help="Other words than the draft's.")] = "",
    drop: Annotated[bool, typer.Option("--drop", help="Do not send it.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Send an announcement that you have looked at, or drop it."""
    with Client.of_workspace() as client:
        if drop:
            found = client.post(f"rollback/announcements/{number}/drop/")
        else:
            found = client.post(f"rollback/announcements/{number}/send/", {"body": body})
    if as_json:
        return output.print_json(found)
    return output.print_line(f"announcement {found['id']} to {found['target']}: {found['status']}")
