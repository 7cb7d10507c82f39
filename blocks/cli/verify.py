"""`blocks verify`: what the gates found, whether a block is what was sealed, whether the gates say the
same again.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.cli import flow_following, lazy_commands, output, sealed_block, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.terminal_text import make_printable

_HELP = "Show what the gates found; check a block's evidence; run the gates again."
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=_HELP)
Task = Annotated[str, typer.Argument(metavar="TASK", help="The id of a flow: task_...")]


@app.callback(help=_HELP)
def verify() -> None:
    """Show what the gates found; check a block's evidence; run the gates again."""


# These bring the libraries for cryptography and for tables, which take a tenth of a second to load and which
# help does not need.
if TYPE_CHECKING:
    from blocks.cli import (
        candidate,
        evidence_report,
        expectations,
        flow_report,
        gate_findings,
        progress,
        terminal,
        trusted_keys,
    )
    from blocks.format import verification
else:
    candidate, evidence_report, expectations, trusted_keys = lazy_commands.import_parts(
        "candidate", "evidence_report", "expectations", "trusted_keys"
    )
    flow_report, gate_findings, progress, terminal = lazy_commands.import_parts(
        "flow_report", "gate_findings", "progress", "terminal"
    )
    verification = lazy_commands.import_lazily("blocks.format.verification")


@app.command()
def show(
    task: Task,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every round, every finding, with its place and cure.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show the gates of a flow. Exits 0 when it passed, 1 when it or a gate failed, 2 cancelled, 8 while
    it runs.
    """
    with Client.of_workspace() as client:
        flow = client.get(f"flows/{task}/")
        gates = client.get(f"flows/{task}/gates/")["gates"]
        files = client.get(f"flows/{task}/evidence/")["files"] if verbose and gates and not as_json else {}
    if as_json:
        output.print_json(
            {
                "flow": flow["id"],
                "status": flow["status"],
                "error": flow["error"],
                "block": flow["block"],
                "gates": gates,
                "remedies": flow_report.list_remedies(gates, task),
            }
        )
    else:
        console = terminal.make_console()
        console.print(flow["id"], progress.mark_status(flow["status"]), flow["title"])
        flow_report.print_wait(console, flow)
        console.print(
            flow_report.gate_table(gates, every_round=verbose)
            if gates
            else "No gate has judged this flow yet."
        )
        console.print()
        if verbose:
            gate_findings.print_findings(console, flow, gates, files)
            for line in gate_findings.describe_changes(files):
                console.print(line, soft_wrap=True)
        flow_report.print_error(console, flow["error"])
        if not verbose and any(gate["verdict"] != "passed" for gate in gates):
            if (cure := flow_report.find_first_cure(gates)) and not flow["error"]:
                console.print(f"cure: {cure}", soft_wrap=True, markup=False)
            console.print(f"fix: {flow_report.find_first_remedy(gates, task)}", soft_wrap=True)
            console.print(f"Every finding: blocks verify show {task} --verbose", soft_wrap=True)
    flow_following.exit_with_status(flow)


@app.command("run")
def run_gates(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="The folder that `blocks flow fetch TASK --candidate` made."),
    ],
    timeout: flow_following.Timeout = None,
    reports: flow_following.Reports = None,
    as_json: output.AsJson = False,
) -> None:
    """Have every gate and the reviewer judge a candidate that you edited. If it passes, its block is fetched,
    and its evidence says that it was edited by you.
    """
    task, files = candidate.read_edited(path)
    here = workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        # Nothing is judged here: gates of this machine would prove nothing to others.
        client.post(f"flows/{task}/edit/", {"files": files})
        flow_following.finish_flow(
            client, task, here.blocks, timeout=timeout, as_json=as_json, reports=reports
        )


@app.command()
def attestation(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder of a block, or its tar.gz.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="A public key in PEM; those under .blocks/keys/ by default."),
    ] = None,
    flow: Annotated[str, typer.Option("--flow", metavar="ID", help="Expect the block of this flow.")] = "",
    repo: Annotated[str, typer.Option("--repo", metavar="NAME", help="Expect a block of this repo.")] = "",
    block: Annotated[str, typer.Option("--block", metavar="FAMILY/NAME", help="Expect this block.")] = "",
    digest: Annotated[
        str, typer.Option("--digest", metavar="SHA256", help="Expect a manifest.json with this SHA-256.")
    ] = "",
    not_before_entry: Annotated[
        int,
        typer.Option(
            "--not-before-entry", metavar="N", min=0, help="Expect entry N of the repo's log, or a later one."
        ),
    ] = 0,
    not_before: Annotated[
        str, typer.Option("--not-before", metavar="TIME", help="Expect a sealing at TIME (UTC) or later.")
    ] = "",
    as_json: output.AsJson = False,
) -> None:
    """Check a block offline: signatures, every file, the verdict. Exits 0 when all holds, else 1 and
    names what does not.

    An older block is as genuine as the newest: name what you expect, for only an expectation finds one
    that was replayed.
    """
    expected = expectations.parse_expectations(
        flow=flow,
        repo=repo,
        block=block,
        digest=digest,
        not_before_entry=not_before_entry,
        not_before=not_before,
    )
    keys, origin, retired = _choose_keys(path, key or [])
    sealed = sealed_block.read_block(path)
    found = verification.verify_block(sealed.files, keys)
    # A changed file damages the archive too; then only the file is named.
    if sealed.damage and not found.problems:
        found.add_problem(path.name, sealed.damage)
    trusted_keys.compare_retirements(found, retired)
    expectations.compare_report(found, expected)
    if as_json:
        output.print_json(evidence_report.build_document(found, origin))
    else:
        evidence_report.print_report(found, origin, expected=bool(expected))
    if not found.ok:
        raise typer.Exit(Exit.FAILED)


def _choose_keys(path: Path, named: list[Path]) -> tuple[Any, str, Any]:
    """The keys to check with, where they are, and which are retired. Never those inside the block itself: a
    forger would bring a key along.

    Those that are pinned where the command runs go before those around the block, which came the way that
    the block came.
    """
    if named:
        # Keys that are named are taken as they are, but not against what this repo says of them.
        retired = trusted_keys.load_retired(workspace.find_workspace().blocks)
        return dict(trusted_keys.load_key(file) for file in named), ", ".join(map(str, named)), retired
    # The order matters: a forger can put keys around a block, but not where the auditor works.
    for start in (Path.cwd(), path.resolve().parent):
        blocks = workspace.find_workspace(start).blocks
        if blocks.resolve().is_relative_to(path.resolve()):
            continue
        if keys := trusted_keys.load_pinned(blocks):
            return keys, str(blocks / trusted_keys.FOLDER), trusted_keys.load_retired(blocks)
    raise Failure(
        "No key is trusted here: there is none under .blocks/keys/.",
        cure="Fetch it once with `blocks verify key`, or name a file with --key.",
        code="evidence:no-key",
    )


@app.command("key")
def fetch_key(
    accept: Annotated[
        str, typer.Option("--accept", metavar="KEY_ID", help="Trust this key besides those trusted so far.")
    ] = "",
    retire: Annotated[
        str, typer.Option("--retire", metavar="KEY_ID", help="Trust what this key signs only until --since.")
    ] = "",
    since: Annotated[str, typer.Option(help="With --retire: a date, or RFC 3339.")] = "",
    reason: Annotated[str, typer.Option(help="With --retire: why; checks of a block say it.")] = "",
    as_json: output.AsJson = False,
) -> None:
    """Fetch the public key of the evidence and keep it under .blocks/keys/; once one is there, others
    only by id. Or retire one.
    """
    here = workspace.find_workspace()
    if retire:
        found = trusted_keys.retire_key(here.blocks, retire, since, reason)
        said = {"retired": found.key_id, "since": found.since, "reason": found.reason}
        if as_json:
            return output.print_json(said)
        output.print_line(f"{found.key_id}  retired from {found.since[:10]} on: {found.reason}")
        return output.print_line(f"Commit {here.blocks / 'keys'}: checks of a block say it from now on.")
    with Client.of_workspace() as client:
        keys, new = trusted_keys.trust_offered(client, here.blocks, accept)
    retired = trusted_keys.load_retired(here.blocks)
    if as_json:
        return output.print_json(
            {"trusted": sorted(set(keys) - set(retired)), "new": new, "retired": sorted(retired)}
        )
    for key_id in sorted(keys):
        state = "now trusted" if key_id in new else "trusted"
        if key_id in retired:
            state = f"retired from {retired[key_id].since[:10]} on: {retired[key_id].reason}"
        output.print_line(f"{key_id}  {state}")
    return output.print_line(
        f"Commit {here.blocks / 'keys'}: everyone who has it can check every block offline."
    )


@app.command()
def replay(
    task: Task,
    timeout: Annotated[
        float, typer.Option(help="Stop waiting after so many seconds; the replay continues.")
    ] = 600.0,
    as_json: output.AsJson = False,
) -> None:
    """Run the gates again on the stored block and compare verdicts. Exits 0 when all are the same, else 1."""
    # The service runs one replay of a block at a time, so asking again continues with the same one.
    until = time.monotonic() + timeout
    with Client.of_workspace() as client:
        found = client.post(f"flows/{task}/gates/replay/")
        while found["status"] != "done":
            if time.monotonic() > until:
                raise Failure(
                    f"The replay of {task} is still {found['status']} after {timeout:g} s.",
                    cure="Wait, or check that the gates queue has a worker; "
                    f"`blocks verify replay {task}` continues with this replay.",
                    code="replay:still-running",
                    exit_code=Exit.STILL_RUNNING,
                )
            time.sleep(min(0.5, timeout))
            found = client.get(f"flows/{task}/gates/replay/")
    if as_json:
        output.print_json(found)
    elif found["error"]:
        output.print_line(f"NOT REPLAYED: {make_printable(found['error']['message'])}")
        output.print_line(f"cure: {make_printable(found['error']['cure'])}")
    else:
        terminal.make_console().print(flow_report.compare_gates(found["comparison"]))
    # A replay that could not run is not the same either: it proves nothing.
    if not found["same"]:
        raise typer.Exit(Exit.FAILED)
