"""`blocks onboarding`: look at requests for repos, act on them, schedule a list, say GO. For operators."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.errors import Failure

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look at requests for repos, act on them, schedule a list, say GO.",
)
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="Such as ONB-7K3QF.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with your name.")]


@app.callback()
def onboarding() -> None:
    """Look at requests for repos, act on them, schedule a list, say GO."""


@app.command("list")
def list_requests(
    status: Annotated[str, typer.Option(help="Only those that are queued, failed, ready, ...")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, newest first.")] = 50,
    as_json: output.AsJson = False,
) -> None:
    """List requests, newest first."""
    # An empty filter would be refused: that is not a status.
    wanted = {"status": status} if status else {}
    with Client.of_workspace() as client:
        found = client.get("onboarding/", limit=limit, **wanted)["results"]
    if as_json:
        return output.print_json({"requests": found})
    if not found:
        return output.print_line("No request.")
    for one in found:
        output.print_line(_describe(one))
    return None


@app.command()
def show(reference: Reference, as_json: output.AsJson = False) -> None:
    """Show a request: each step with its reason and cure, and what happened when."""
    with Client.of_workspace() as client:
        found = client.get(f"onboarding/{reference}/")
    _print(found, as_json=as_json)


@app.command()
def approve(reference: Reference, reason: Reason, as_json: output.AsJson = False) -> None:
    """Approve on behalf of the team lead."""
    _act(reference, "approve", reason, as_json=as_json)


@app.command()
def reject(reference: Reference, reason: Reason, as_json: output.AsJson = False) -> None:
    """Reject: the request is over, and may be made again."""
    _act(reference, "reject", reason, as_json=as_json)


@app.command()
def retry(reference: Reference, reason: Reason, as_json: output.AsJson = False) -> None:
    """Continue from the step that failed."""
    _act(reference, "retry", reason, as_json=as_json)


@app.command()
def cancel(reference: Reference, reason: Reason, as_json: output.AsJson = False) -> None:
    """Cancel a request of which nothing was provisioned yet."""
    _act(reference, "cancel", reason, as_json=as_json)


@app.command()
def offboard(reference: Reference, reason: Reason, as_json: output.AsJson = False) -> None:
    """Delete what was made for a repo, in reverse order. Flows and evidence stay."""
    _act(reference, "offboard", reason, as_json=as_json)


@app.command()
def schedule(
    file: Annotated[Path, typer.Argument(help="One repo a line: repo, block family, team lead, day, phase.")],
    on: Annotated[str, typer.Option("--on", help="The day for lines that name none: 2026-12-09.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Ask for every repo of a list, or for none of them."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read as text: {error}.") from error
    # The service parses it: its answer names every bad line, and two parsers could differ.
    body: dict[str, Any] = {"repos": text}
    if on:
        body["wanted_on"] = on
    with Client.of_workspace() as client:
        found = client.post("onboarding/batch/", body)
    if as_json:
        return output.print_json(found)
    for one in found["requests"]:
        output.print_line(_describe(one))
    return None


@app.command()
def rollout(as_json: output.AsJson = False) -> None:
    """Show whether requests are taken and begun, and whose GO is missing."""
    with Client.of_workspace() as client:
        found = client.get("onboarding/rollout/")
    _print_rollout(found, as_json=as_json)


@app.command()
def vote(
    role: Annotated[str, typer.Option("--role", help="pm, tl or sre.")],
    verdict: Annotated[str, typer.Option("--verdict", help="go or no.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with your name.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Say GO or NO to taking repos again after a P1."""
    body = {"role": role, "verdict": verdict, "reason": reason}
    with Client.of_workspace() as client:
        found = client.post("onboarding/rollout/votes/", body)
    _print_rollout(found, as_json=as_json)


@app.command("close")
def close_portal(reason: Reason, as_json: output.AsJson = False) -> None:
    """Close the portal: no request is taken, and none begins. Flows continue."""
    _switch("close", reason, as_json=as_json)


@app.command("open")
def open_portal(reason: Reason, as_json: output.AsJson = False) -> None:
    """Open the portal again."""
    _switch("open", reason, as_json=as_json)


def _act(reference: str, action: str, reason: str, *, as_json: bool) -> None:
    with Client.of_workspace() as client:
        found = client.post(f"onboarding/{reference}/{action}/", {"reason": reason})
    _print(found, as_json=as_json)


def _switch(action: str, reason: str, *, as_json: bool) -> None:
    with Client.of_workspace() as client:
        found = client.post(f"onboarding/rollout/{action}/", {"reason": reason})
    _print_rollout(found, as_json=as_json)


def _describe(one: Mapping[str, Any]) -> str:
    day = f"  {one['planned_for']}" if one["status"] == "queued" and one["planned_for"] else ""
    return f"{one['reference']}  {one['status']}  {one['repo_name']}  {one['team_lead']}{day}"


def _print(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        return output.print_json(found)
    output.print_line(_describe(found))
    for step in found["steps"]:
        said = f": {step['reason']}" if step["reason"] else ""
        output.print_line(f"  {step['status']}  {step['kind']} {step['name']}{said}")
        if step["cure"]:
            output.print_line(f"    {step['cure']}")
    for event in found["events"]:
        words = " ".join(filter(None, (event["kind"], event["actor"], event["text"])))
        output.print_line(f"  {event['created_at']}  {words}")
    return None


def _print_rollout(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        return output.print_json(found)
    output.print_line(f"requests: {'taken' if found['is_open'] else 'refused'}")
    output.print_line(f"begun today: {found['begun_today']} of {found['most_per_day']}")
    output.print_line(f"in line: {found['in_line']}")
    # Empty where nothing holds them.
    if found["hold"]:
        output.print_line(f"hold: {found['hold']}")
    return None
