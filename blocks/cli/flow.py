"""`blocks flow`: run a feature request, follow it, fetch its block; list, cancel and retry."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blocks.cli import flow_following, flow_list, flow_request, lazy_commands, listing, output, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.flow_following import Reports, Timeout
from blocks.format.selection import BLOCKS_FOLDER, CONFIG

if TYPE_CHECKING:
    from blocks.cli import (
        block_changes,
        block_download,
        candidate,
        flow_log,
        flow_report,
        progress,
        terminal,
    )
    from blocks.format import work_tree
else:
    # They bring libraries for cryptography and for tables, and programs, which help does not need.
    block_changes, block_download, candidate = lazy_commands.import_parts(
        "block_changes", "block_download", "candidate"
    )
    flow_log, flow_report, progress, terminal = lazy_commands.import_parts(
        "flow_log", "flow_report", "progress", "terminal"
    )
    work_tree = lazy_commands.import_lazily("blocks.format.work_tree")

_REPLAY_POLL_SECONDS = 0.5
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run, follow, fetch, cancel and retry flows.",
)
Task = Annotated[str, typer.Argument(metavar="TASK", help="The id of a flow: task_...")]
OutputFolder = Annotated[
    Path | None, typer.Option("--output", help="Where to put .blocks/; the root of the repo by default.")
]


@app.command()
def run(
    input_file: Annotated[
        Path, typer.Option("--input", "-i", help="The feature request, in Markdown; - for standard input.")
    ],
    repo: Annotated[str, typer.Option(help="The repo; as in .blocks/config.yml by default.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Show progress and fetch the block, or only start.")
    ] = True,
    block_family: Annotated[
        str, typer.Option(help="compliance, observability, ...; the plan chooses by default.")
    ] = "",
    flow_type: Annotated[str, typer.Option(help="The flow type.")] = "",
    output_dir: OutputFolder = None,
    context: Annotated[
        bool,
        typer.Option(
            "--context/--no-context",
            help="Send the repo's tracked files along, or have models and gates see none.",
        ),
    ] = True,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key and request give the same flow.")
    ] = None,
    timeout: Timeout = None,
    reports: Reports = None,
    as_json: output.AsJson = False,
) -> None:
    """Run a feature request; on success the verified block is under .blocks/catalog/."""
    text, here = flow_request.read_request(input_file), workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        body: dict[str, Any] = {"repo": flow_request.choose_repo(client, here, repo), "feature_request": text}
        # What is not named is left to the service: the plan chooses a family, the newest flow type is taken.
        if family := block_family or here.family:
            body["block_family"] = family
        if flow_type:
            body["flow_type"] = flow_type
        collected = work_tree.collect_files(here.root) if context else None
        # Empty files say that there are to be none; a missing context lets the service clone the repo.
        if collected is None:
            body["context"] = {"files": {}}
        elif collected.files:
            body["context"] = {"files": collected.files}
        flow = client.post("flows/", body, key=key)
        if not follow:
            return output.print_json(flow) if as_json else output.print_result(flow["id"])
        if not as_json and collected is not None and collected.files:
            output.print_line(flow_request.describe_context(collected))
            # In a folder of its own the whole repo goes along, which is more than some expect.
            if not (here.root / CONFIG).is_file() and Path.cwd().resolve() != here.root:
                output.print_line(
                    f"They are those of the whole work tree {here.root}. "
                    "To send only this folder: `blocks init --here`."
                )
        if not as_json and (estimate := flow_report.describe_estimate(flow)):
            output.print_line(estimate)
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        flow_following.finish_flow(
            client, flow["id"], blocks_folder, timeout=timeout, as_json=as_json, reports=reports
        )
    return None


@app.command("follow")
def follow_flow(
    task: Task,
    output_dir: OutputFolder = None,
    timeout: Timeout = None,
    reports: Reports = None,
    as_json: output.AsJson = False,
) -> None:
    """Follow a flow to its end and fetch its block."""
    here = workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        flow_following.finish_flow(
            client, task, blocks_folder, timeout=timeout, as_json=as_json, reports=reports
        )


@app.command()
def watch(task: Task, timeout: Timeout = None, as_json: output.AsJson = False) -> None:
    """Follow a flow to its end and fetch nothing."""
    with Client.of_workspace() as client:
        flow_following.finish_flow(client, task, None, timeout=timeout, as_json=as_json)


@app.command("list", cls=listing.ListCommand)
def list_flows(
    failed: flow_list.Failed = False,
    since: flow_list.Since = None,
    state: flow_list.State = None,
    repo: flow_list.Repo = None,
    limit: flow_list.Limit = 50,
    fields: listing.Fields = None,
) -> None:
    """List flows, newest first."""
    flow_list.list_flows(failed=failed, last=since, state=state, repo=repo, limit=limit, fields=fields)


@app.command()
def logs(task: Task, timeout: Timeout = None, as_json: output.AsJson = False) -> None:
    """Print what happened to a flow, event by event, until it has ended."""
    with Client.of_workspace() as client:
        flow_log.print_events(client, task, timeout=timeout, as_json=as_json)


@app.command()
def fetch(
    task: Task,
    output_dir: OutputFolder = None,
    wanted: Annotated[
        bool,
        typer.Option("--candidate", help="The files that failed, with their findings as SARIF and JUnit."),
    ] = False,
    number: Annotated[
        int | None, typer.Option("--round", min=1, help="With --candidate: of this round, not the newest.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Fetch the block of a flow that has passed into .blocks/catalog/; or what failed, with --candidate."""
    here = workspace.find_workspace()
    # A block has no rounds; taking the option silently would fetch another thing than was asked for.
    if number is not None and not wanted:
        raise Failure("Only candidates have rounds.", cure="Add --candidate.", code="cli:bad-option")
    with Client(here.url, workspace.read_token(here)) as client:
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        if wanted:
            found = candidate.fetch_candidate(client, task, number)
            folder = candidate.place_candidate(found, blocks_folder)
            if as_json:
                return output.print_json(candidate.describe(found, folder))
            return flow_report.print_candidate(terminal.make_console(), found, folder)
        fetched = block_download.download_block(client, task, blocks_folder)
    if as_json:
        return output.print_json(flow_following.describe_block(fetched))
    return flow_following.print_block(terminal.make_console(), fetched)


@app.command()
def diff(task: Task, output_dir: OutputFolder = None, as_json: output.AsJson = False) -> None:
    """Show what the block of a flow would change under .blocks/catalog/."""
    here = workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        # Checked before anything is shown: a diff of a forged block would be read as genuine.
        checked = block_download.fetch_block(client, task, blocks_folder)
    changes = block_changes.compare_block(checked.files, blocks_folder)
    if as_json:
        return output.print_json(block_changes.describe(changes))
    return block_changes.print_changes(terminal.make_console(), changes)


@app.command()
def apply(
    task: Task,
    output_dir: OutputFolder = None,
    agreed: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Show what the block of a flow changes, ask, and put it in place."""
    here = workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        checked = block_download.fetch_block(client, task, blocks_folder)
    changes = block_changes.compare_block(checked.files, blocks_folder)
    if changes and not as_json:
        block_changes.print_changes(terminal.make_console(), changes)
    # Without a change there is nothing to agree to, and a script that applies twice is not asked.
    if changes and not agreed:
        output.require_agreement("Put it in place?", option="--yes")
    fetched = block_download.place_block(checked, blocks_folder)
    if as_json:
        return output.print_json(flow_following.describe_block(fetched) | block_changes.describe(changes))
    return flow_following.print_block(terminal.make_console(), fetched)


@app.command()
def show(task: Task, as_json: output.AsJson = False) -> None:
    """Show a flow as it is: stages, gates, cost. Exits 0 when it passed, 1 failed, 2 cancelled, 8 while
    it runs.
    """
    with Client.of_workspace() as client:
        # Two requests, so the gates may be those of a moment later than the flow; nobody minds.
        flow, gates = client.get(f"flows/{task}/"), client.get(f"flows/{task}/gates/")["gates"]
    if as_json:
        output.print_json(flow | {"gates": gates})
    else:
        console = terminal.make_console()
        console.print(flow["id"], progress.mark_status(flow["status"]), flow["title"], soft_wrap=True)
        flow_report.print_wait(console, flow)
        console.print()
        console.print(progress.stage_table(flow, console.width))
        flow_following.print_end(console, flow, gates, None)
    flow_following.exit_with_status(flow)


@app.command()
def cancel(task: Task, as_json: output.AsJson = False) -> None:
    """Cancel a flow. What it did so far is kept; nothing more is started."""
    with Client.of_workspace() as client:
        flow = client.post(f"flows/{task}/cancel/")
    output.print_json(flow) if as_json else output.print_line(f"{task} {flow['status']}")


@app.command()
def retry(task: Task, as_json: output.AsJson = False) -> None:
    """Run a failed or cancelled flow again from where it ended, or end the wait of one that waits."""
    with Client.of_workspace() as client:
        flow = client.post(f"flows/{task}/retry/")
    output.print_json(flow) if as_json else output.print_line(
        f"{task} {flow['status']}: blocks flow follow {task}"
    )


@app.command()
def replay(task: Task, timeout: Timeout = 600, as_json: output.AsJson = False) -> None:
    """Run a finished flow again from its recorded answers, without a call and without cost; exits 1 on a
    difference.
    """
    with Client.of_workspace() as client:
        found = client.post(f"flows/{task}/replay/")
        until = time.monotonic() + (timeout or 600)
        while found["report"] is None:
            if time.monotonic() > until:
                raise Failure(
                    f"The replay of {task} has not ended.",
                    cure=f"Ask again: blocks flow replay {task}",
                    code="flow:still-replaying",
                    exit_code=Exit.STILL_RUNNING,
                )
            time.sleep(_REPLAY_POLL_SECONDS)
            found = client.get(f"flows/{task}/replay/")
    told = found["report"]
    output.print_json(found) if as_json else flow_report.print_replay(terminal.make_console(), told)
    if not told["same"]:
        raise typer.Exit(Exit.FAILED)
