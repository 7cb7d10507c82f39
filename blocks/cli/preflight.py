"""`blocks preflight`: is everything ready for the next phase? Each line says what was seen, what to do."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from blocks.cli import output
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_PHASES = ("6", "7")
# Those of the runbook's list of alerts.
_TESTED = ("budget_burn_rate", "quality_degradation", "slo_violation", "mass_failure")
Phase = Annotated[str, typer.Option("--phase", help="Before which phase: 6 or 7.")]


@app.command()
def preflight(
    phase: Phase = "6",
    test_alerts: Annotated[
        bool, typer.Option("--test-alerts", help="First send a test of each alert; this pages people.")
    ] = False,
    confirm: Annotated[str, typer.Option("--confirm", help="The line that a person confirms.")] = "",
    deny: Annotated[str, typer.Option("--deny", help="The line that a person denies.")] = "",
    person: Annotated[str, typer.Option("--person", help="Who has looked.")] = "",
    note: Annotated[str, typer.Option("--note", help="At what, and when.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Answer every line of the launch runbook's checklists. For operators. Exits 0 when all lines pass,
    1 when one fails, 8 when only people have to be asked.
    """
    if phase not in _PHASES:
        raise Failure(f"There is no phase {phase!r}.", cure=f"Use one of: {', '.join(_PHASES)}.")
    if confirm and deny:
        raise Failure("--confirm and --deny exclude each other.", cure="Answer one line at a time.")
    if (confirm or deny) and not person:
        raise Failure("Nobody is named.", cure="Say who has looked: --person NAME.")
    with Client.of_workspace() as client:
        if confirm or deny:
            body = {"phase": int(phase), "line": confirm or deny, "holds": bool(confirm)}
            client.post("preflight/answers/", body | {"person": person, "note": note})
        if test_alerts:
            _send_tests(client)
        report = client.get("preflight/", phase=phase)
    if as_json:
        output.print_json(report)
    else:
        _print_report(report)
    if report["failed"]:
        raise typer.Exit(Exit.FAILED)
    # An open question is not a yes, so a script that goes live must stop here too.
    if report["asked"]:
        raise typer.Exit(Exit.STILL_RUNNING)


def _send_tests(client: Client) -> None:
    """A test that fails is a line that fails below, so the others are still sent."""
    for name in _TESTED:
        try:
            client.post(f"alerts/{name}/test/")
        except Failure as failure:
            # Everything else is wrong with more than this test, and there would be no report either.
            if not failure.code.startswith("alerts:"):
                raise
            output.print_warning(f"{name}: {failure.message}")


def _print_report(report: Mapping[str, Any]) -> None:
    section = ""
    for line in report["lines"]:
        if line["section"] != section:
            section = line["section"]
            output.print_line(f"\n{section}")
        output.print_line(f"  {line['outcome']:<4}  {line['words']}")
        for words in _describe(line):
            output.print_line(f"        {words}")
    output.print_line()
    state = "ready" if report["ready"] else "not ready"
    counts = f"{report['passed']} pass, {report['failed']} fail, {report['asked']} to ask a person"
    output.print_line(f"phase {report['phase']}: {state}: {counts}")


def _describe(line: Mapping[str, Any]) -> Sequence[str]:
    """What was seen, who said what, what to do, and how to answer."""
    found = [line["found"]]
    answer = line["answer"]
    if answer is not None:
        said = "confirmed" if answer["holds"] else "denied"
        found.append(f"{said} by {answer['person']} at {answer['created_at'][:16]}: {answer['note']}")
    if line["cure"]:
        found.append(f"cure: {line['cure']}")
    if line["outcome"] == "ask":
        found.append(f"then: --confirm {line['key']} --person NAME --note TEXT")
    return found
