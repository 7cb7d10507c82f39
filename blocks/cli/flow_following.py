"""A flow followed to its end: its block in place, its result printed, its exit code."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.cli import lazy_commands, output
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure

if TYPE_CHECKING:
    from rich.console import Console

    from blocks.cli import block_download, candidate, ci_report, flow_report, progress, terminal
else:
    # They bring libraries for cryptography and for tables, which help does not need.
    block_download, candidate, ci_report = lazy_commands.import_parts(
        "block_download", "candidate", "ci_report"
    )
    flow_report, progress, terminal = lazy_commands.import_parts("flow_report", "progress", "terminal")

Timeout = Annotated[
    float | None,
    typer.Option(help="Stop following after so many seconds; the flow continues, the exit code is 8."),
]

Reports = Annotated[
    Path | None,
    typer.Option("--reports", help="Write the findings there: SARIF, JUnit, GitLab's code quality."),
]


def follow_to_end(
    client: Client, flow_id: str, console: "Console", *, timeout: float | None, quiet: bool
) -> dict[str, Any]:
    """Follow a flow; its last state. Ends with exit code 8 when ``timeout`` seconds pass or the user
    interrupts.
    """
    until = None if timeout is None else time.monotonic() + timeout

    def in_time() -> None:
        if until is not None and time.monotonic() > until:
            raise still_running(flow_id, f"{flow_id} is still running after {timeout:g} s.")

    flow: dict[str, Any] = client.get(f"flows/{flow_id}/")
    with progress.Progress(console, quiet=quiet) as shown:
        shown.show(flow)
        # Events only say that something happened; what is shown is always read whole, so none can be missed.
        for _ in client.events(flow_id, on_idle=in_time):
            flow = client.get(f"flows/{flow_id}/")
            shown.show(flow)
            in_time()
    return flow


def still_running(flow_id: str, message: str) -> Failure:
    """A flow that continues while this command ends."""
    return Failure(
        message,
        cure=f"See it again with `blocks flow follow {flow_id}`, "
        f"or end it with `blocks flow cancel {flow_id}`.",
        code="flow:still-running",
        exit_code=Exit.STILL_RUNNING,
    )


def finish_flow(
    client: Client,
    flow_id: str,
    blocks: Path | None,
    *,
    timeout: float | None,
    as_json: bool,
    reports: Path | None = None,
) -> None:
    """Follow a flow to its end, put its block in place, print its result; exits with its code."""
    try:
        _finish(client, flow_id, blocks, timeout=timeout, as_json=as_json, reports=reports)
    except KeyboardInterrupt:
        # Ctrl-C, or SIGTERM, ends only the display. The flow belongs to the service, and `blocks flow cancel`
        # ends it.
        raise still_running(flow_id, f"Interrupted. {flow_id} continues without you.") from None


def _finish(
    client: Client,
    flow_id: str,
    blocks: Path | None,
    *,
    timeout: float | None,
    as_json: bool,
    reports: Path | None = None,
) -> None:
    # With --json, standard output holds the one document and nothing else.
    console = terminal.make_console(to_stderr=as_json)
    flow = follow_to_end(client, flow_id, console, timeout=timeout, quiet=as_json)
    # After the end: earlier, gates of the last round would be missing.
    gates = client.get(f"flows/{flow_id}/gates/")["gates"]
    fetched = None
    if flow["status"] == "passed" and blocks is not None:
        fetched = block_download.download_block(client, flow_id, blocks)
    page = f"{client.url}/flows/{flow_id}/"
    ci_report.report_flow(flow, gates, page=page)
    if reports is not None and gates:
        ci_report.write_reports(reports, candidate.fetch_candidate(client, flow_id, None), page)
    if as_json:
        output.print_json(flow | {"gates": gates} | describe_block(fetched))
    else:
        print_end(console, flow, gates, fetched)
    exit_with_status(flow)


def describe_block(fetched: "block_download.DownloadedBlock | None") -> dict[str, str | None]:
    """Where a block is, for machines."""
    placed = fetched.placed if fetched else None
    return {
        "block_path": str(placed.folder) if placed else None,
        "schema_path": str(placed.schema) if placed and placed.schema else None,
    }


def print_block(console: "Console", fetched: "block_download.DownloadedBlock") -> None:
    """Where a block is, and what its evidence shows."""
    placed = fetched.placed
    console.print(f"Block   {placed.folder}  ({placed.files} files)", soft_wrap=True)
    if placed.schema:
        console.print(f"Schema  {placed.schema}", soft_wrap=True)
    console.print(f"Proof   {fetched.proof}", soft_wrap=True)
    for key_id in fetched.new_keys:
        console.print(f"Key     {key_id} is trusted from now on; commit .blocks/keys/", soft_wrap=True)


def exit_with_status(flow: dict[str, Any]) -> None:
    """Exit with the code of the flow's status."""
    # Every state that is not final gives 8, so that a script can tell waiting from failure.
    code = {"passed": Exit.DONE, "failed": Exit.FAILED, "cancelled": Exit.USAGE}.get(
        flow["status"], Exit.STILL_RUNNING
    )
    if code:
        raise typer.Exit(code)


def print_end(console: "Console", flow: dict[str, Any], gates: list[dict[str, Any]], fetched: Any) -> None:
    """How a flow ended, or how far it is: gates, cost, time, block, error."""
    console.print()
    if gates:
        console.print(flow_report.gate_table(gates))
        console.print()
    console.print(flow_report.describe_cost(flow))
    console.print(flow_report.describe_time(flow))
    console.print(flow_report.describe_moments(flow))
    if fetched is not None:
        print_block(console, fetched)
    flow_report.print_error(console, flow["error"])
    if flow["status"] == "failed":
        if remedy := flow_report.find_first_remedy(gates, str(flow["id"])):
            console.print(f"fix: {remedy}", soft_wrap=True)
        console.print(f"More: blocks verify show {flow['id']} --verbose", soft_wrap=True)
    console.print(
        f"FLOW {flow['status'].upper()} {flow['id']}",
        style={"passed": "bold green", "failed": "bold red"}.get(flow["status"], "bold"),
    )
