"""`blocks verify show TASK`: what the gates found."""

from typing import Annotated

import typer

from orchestrator.cli import output, report
from orchestrator.cli.client import Client
from orchestrator.cli.errors import Exit
from orchestrator.cli.progress import mark

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help="Show what the gates found.")


@app.callback()
def verify() -> None:
    """Show what the gates found."""


@app.command()
def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The id of a flow: task_...")],
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every round, every finding, with its place and cure.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show the gates of a flow. Exits 0 when it passed, 1 when it or a gate failed, 2 cancelled, 8 while it runs."""
    with Client.here() as client:
        flow = client.get(f"flows/{task}/")
        gates = client.get(f"flows/{task}/gates/")["gates"]
    if as_json:
        output.json_out(
            {"flow": flow["id"], "status": flow["status"], "error": flow["error"], "block": flow["block"], "gates": gates}
        )
    else:
        console = output.console()
        console.print(flow["id"], mark(flow["status"]), flow["title"])
        console.print(report.gate_table(gates, every_round=verbose) if gates else "No gate has judged this flow yet.")
        console.print()
        if verbose:
            for gate in gates:
                report.findings(console, gate)
        report.error_lines(console, flow["error"])
        if any(gate["verdict"] != "passed" for gate in gates) and not verbose:
            console.print(f"Every finding: blocks verify show {task} --verbose", soft_wrap=True)
    code = {"passed": Exit.DONE, "failed": Exit.FAILED, "cancelled": Exit.USAGE}.get(flow["status"], Exit.STILL_RUNNING)
    if code:
        raise typer.Exit(code)
