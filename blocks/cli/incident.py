"""`blocks incident`: open, lead, diagnose and resolve incidents, and write their reviews. For operators."""

import csv
import io
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

import typer

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.errors import Failure

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Open, lead, diagnose and resolve incidents.",
)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="As `blocks incident list` shows it.")]
Severity = Annotated[str, typer.Option("--severity", help="P1, P2, P3 or P4.")]
_FORMATS: Final = ("text", "markdown", "csv")
# As the service takes them; asked here, so that a slip of the finger costs no request.
_NOTES: Final = ("note", "triage", "mitigation", "update")


@app.callback()
def incident() -> None:
    """Open, lead, diagnose and resolve incidents."""


@app.command("list")
def list_incidents(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, newest first.")] = 100,
    as_json: output.AsJson = False,
) -> None:
    """List the incidents that are not resolved, newest first."""
    with Client.of_workspace() as client:
        found = client.get("incidents/", limit=limit)["results"]
    # Filtered here, because two statuses are not resolved and the filter of the API takes one.
    shown = [one for one in found if everything or one["status"] != "resolved"]
    if as_json:
        return output.print_json({"incidents": shown})
    if not shown:
        return output.print_line("No incident is open.")
    for one in shown:
        output.print_line(_describe(one))
    return None


def _describe(one: Mapping[str, Any]) -> str:
    late = "  LATE" if one["late"] and one["status"] != "resolved" else ""
    return f"{one['id']}  {one['severity']}  {one['status']}  {one['commander']}  {one['title']}{late}"


@app.command("open")
def open_incident(
    title: Annotated[str, typer.Option("--title", help="What is wrong, in a sentence.")],
    severity: Severity,
    commander: Annotated[str, typer.Option(help="Who leads; the one on duty by default.")] = "",
    repos: Annotated[list[str] | None, typer.Option("--repo", help="An affected one; several times.")] = None,
    detected_at: Annotated[str, typer.Option(help="When it was seen, such as 2026-03-02T08:15:00Z.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Open an incident and tell the channels of its severity."""
    # What is not given is left out: the service has better defaults, and knows its own clock.
    body: dict[str, Any] = {"title": title, "severity": severity, "repos": list(repos or [])}
    if commander:
        body["commander"] = commander
    if detected_at:
        body["detected_at"] = detected_at
    _post("incidents/", body, as_json=as_json)


@app.command()
def show(number: Number, as_json: output.AsJson = False) -> None:
    """Show an incident with its clocks."""
    with Client.of_workspace() as client:
        found = client.get(f"incidents/{number}/")
    if as_json:
        return output.print_json(found)
    output.print_line(_describe(found))
    repos = [f"{repo['name']} ({repo['owner'] or 'no owner'})" for repo in found["repos"]]
    lines = {
        "detected": found["detected_at"],
        "opened": f"{found['opened_at']} by {found['opened_by']}",
        "resolve by": found["resolve_by"],
        "acknowledged": f"{found['acknowledged_at']} by {found['acknowledged_by']}",
        "resolved": found["resolved_at"] or "not yet",
        "review due": f"{found['review_due_at']}{' OVERDUE' if found['review_overdue'] else ''}",
        "repos": ", ".join(repos) or "none known",
        "alerts": ", ".join(alert["name"] for alert in found["alerts"]) or "none",
    }
    # Words in place of an empty time.
    if found["acknowledged_at"] is None:
        lines["acknowledged"] = "not yet"
    if found["review_due_at"] is None:
        lines["review due"] = "none"
    for name, value in lines.items():
        output.print_line(f"{name}: {value}")
    return None


@app.command()
def acknowledge(number: Number, as_json: output.AsJson = False) -> None:
    """Take an incident: escalation stops in every channel, for a while."""
    _post(f"incidents/{number}/acknowledge/", None, as_json=as_json)


@app.command()
def handover(
    number: Number,
    to: Annotated[str, typer.Option("--to", help="Who leads from now on.")],
    note: Annotated[str, typer.Option("--note", help="What they must know.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Hand an incident over to another commander."""
    _post(f"incidents/{number}/handover/", {"commander": to, "note": note}, as_json=as_json)


@app.command("severity")
def set_severity(number: Number, severity: Severity, as_json: output.AsJson = False) -> None:
    """Raise or lower the severity of an incident."""
    _post(f"incidents/{number}/severity/", {"severity": severity}, as_json=as_json)


@app.command()
def resolve(
    number: Number,
    text: Annotated[str, typer.Option("--text", help="How it ended.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Resolve an incident, wherever it was told of."""
    _post(f"incidents/{number}/resolve/", {"text": text}, as_json=as_json)


def _post(path: str, body: dict[str, Any] | None, *, as_json: bool) -> None:
    with Client.of_workspace() as client:
        found = client.post(path, body)
    if as_json:
        output.print_json(found)
    else:
        output.print_line(_describe(found))


@app.command()
def note(
    number: Number,
    text: Annotated[str, typer.Option("--text", help="What happened, or what everybody may know.")],
    kind: Annotated[
        str, typer.Option("--kind", help="note, triage, mitigation, or update for everybody.")
    ] = "note",
    at: Annotated[str, typer.Option("--at", help="When it happened, such as 2026-03-02T08:15:00Z.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Add a line to the timeline."""
    if kind not in _NOTES:
        raise Failure(f"There is no kind {kind!r}.", cure=f"Use one of: {', '.join(_NOTES)}.")
    body = {"text": text, "kind": kind}
    if at:
        body["at"] = at
    with Client.of_workspace() as client:
        found = client.post(f"incidents/{number}/timeline/", body)
    if as_json:
        return output.print_json(found)
    return output.print_line(_describe_entry(found))


def _describe_entry(entry: Mapping[str, Any]) -> str:
    text = " ".join(entry["text"].split())
    return f"{entry['at']}  {entry['kind']}  {text} ({entry['actor']})"


@app.command()
def timeline(
    number: Number,
    form: Annotated[str, typer.Option("--format", help="text, markdown or csv.")] = "text",
    as_json: output.AsJson = False,
) -> None:
    """Print what happened, ordered by time."""
    if form not in _FORMATS:
        raise Failure(f"There is no format {form!r}.", cure=f"Use one of: {', '.join(_FORMATS)}.")
    with Client.of_workspace() as client:
        found = client.get(f"incidents/{number}/timeline/")
    if as_json:
        return output.print_json(found)
    entries = found["entries"]
    if form == "csv":
        return _print_csv(entries)
    mark = "- " if form == "markdown" else ""
    for entry in entries:
        output.print_line(mark + _describe_entry(entry))
    return None


def _print_csv(entries: list[dict[str, Any]]) -> None:
    written = io.StringIO()
    rows = csv.DictWriter(
        written, ["at", "kind", "actor", "text"], extrasaction="ignore", lineterminator="\n"
    )
    rows.writeheader()
    for entry in entries:
        # A cell that begins like a formula is a formula to a spreadsheet, and other people write the texts.
        safe = {name: f"'{value}" if str(value)[:1] in "=+-@" else value for name, value in entry.items()}
        rows.writerow(safe)
    output.print_line(written.getvalue().rstrip("\n"))


@app.command()
def diagnose(number: Number, as_json: output.AsJson = False) -> None:
    """Find what the flows that failed have in common: repo, family, model, deploy, stage or error code."""
    with Client.of_workspace() as client:
        found = client.get(f"incidents/{number}/diagnosis/")
    if as_json:
        return output.print_json(found)
    output.print_line(found["verdict"])
    for one in found["patterns"]:
        of = "" if one["ended"] is None else f" of {one['ended']}"
        output.print_line(
            f"{one['dimension']}  {one['value']}  {one['failed']}{of} failed  "
            f"share {one['share']:.0%}  confidence {one['confidence']:.0%}"
        )
    for flow in found["flows"]:
        output.print_line(f"{flow['flow']}  {flow['repo']}  {flow['error_code']}  {flow['error_message']}")
    return None


@app.command()
def review(
    number: Number,
    root_cause: Annotated[str, typer.Option(help="Why it happened.")] = "",
    went_well: Annotated[str, typer.Option(help="What went well.")] = "",
    went_wrong: Annotated[str, typer.Option(help="What went wrong.")] = "",
    lessons: Annotated[str, typer.Option(help="What was learned.")] = "",
    finish: Annotated[bool, typer.Option("--finish", help="The review is complete.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Print the review as Markdown, filled in as far as it is known; with options, write parts of it."""
    given = {"root_cause": root_cause, "went_well": went_well, "went_wrong": went_wrong, "lessons": lessons}
    body: dict[str, Any] = {name: text for name, text in given.items() if text}
    path = f"incidents/{number}/review/"
    with Client.of_workspace() as client:
        if body or finish:
            client.patch(path, {**body, "finish": finish})
        found = client.get(path)
    if as_json:
        return output.print_json(found)
    return output.print_line(found["markdown"].rstrip("\n"))


@app.command()
def action(
    number: Number,
    text: Annotated[str, typer.Option("--text", help="What is to be done.")],
    owner: Annotated[str, typer.Option("--owner", help="Who does it.")],
    due: Annotated[str, typer.Option("--due", help="The day, such as 2026-03-09.")],
    as_json: output.AsJson = False,
) -> None:
    """Add an action item to the review."""
    # The service would refuse it too, but could not say how a day is typed here.
    try:
        date.fromisoformat(due)
    except ValueError as error:
        raise Failure(f"{due!r} is not a day.", cure="Write it as 2026-03-09.") from error
    with Client.of_workspace() as client:
        found = client.post(f"incidents/{number}/actions/", {"text": text, "owner": owner, "due": due})
    if as_json:
        return output.print_json(found)
    return output.print_line(f"{found['id']}  {found['text']}  {found['owner']}  {found['due']}")


@app.command()
def done(
    number: Number,
    action_number: Annotated[int, typer.Argument(metavar="ACTION", help="The action's number.")],
    as_json: output.AsJson = False,
) -> None:
    """Note that an action is done."""
    with Client.of_workspace() as client:
        found = client.post(f"incidents/{number}/actions/{action_number}/done/")
    if as_json:
        return output.print_json(found)
    return output.print_line(f"{found['id']}  {found['text']}  done by {found['done_by']}")
