"""`blocks flow`: run a feature request, follow it, fetch its block; cancel and retry."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from blocks.cli import flow_report, lazy_commands, output, workspace
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.progress import Progress, mark_status, stage_table
from blocks.format import work_tree
from blocks.format.limits import KIB, MAX_REQUEST_BYTES
from blocks.format.selection import BLOCKS_FOLDER, CONFIG
from blocks.format.work_tree import CollectedFiles

if TYPE_CHECKING:
    from blocks.cli import block_download
else:
    # Brings a library for cryptography, which only a block at its end needs.
    block_download = lazy_commands.import_lazily("blocks.cli.block_download")

_REPLAY_POLL_SECONDS = 0.5
_MOST_READ = 16 * MAX_REQUEST_BYTES
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run, follow, cancel and retry flows.",
)
Task = Annotated[str, typer.Argument(metavar="TASK", help="The id of a flow: task_...")]
Timeout = Annotated[
    float | None,
    typer.Option(help="Stop following after so many seconds; the flow continues, the exit code is 8."),
]
OutputFolder = Annotated[
    Path | None, typer.Option("--output", help="Where to put .blocks/; the root of the repo by default.")
]


def read_request(path: Path) -> str:
    """The feature request, refused before anything is sent where the service would refuse it."""
    try:
        # A device has no end.
        with path.open("rb") as file:
            raw = file.read(_MOST_READ)
    except OSError as error:
        raise Failure(
            f"{path} cannot be read: {error.strerror}",
            cure="Name a Markdown file with --input.",
            code="flow:no-input",
        ) from error
    # The limit counts bytes as sent, so it is checked before decoding.
    if len(raw) > MAX_REQUEST_BYTES:
        raise Failure(
            f"{path} has {len(raw):,} bytes{' or more' * (len(raw) == _MOST_READ)}; at most "
            f"{MAX_REQUEST_BYTES:,} ({MAX_REQUEST_BYTES // KIB} KB) are accepted.",
            cure="Split it into several features, and leave source code to the context.",
            code="flow:request-too-large",
        )
    try:
        # Editors on Windows put a byte order mark first.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Failure(
            f"{path} is not UTF-8 (byte {error.start}).", cure="Save it as UTF-8.", code="request:not-utf8"
        ) from error
    if not text.strip():
        raise Failure(
            f"{path} is empty.",
            cure="Describe what the block shall do: inputs, outputs, rules, an example.",
            code="flow:empty-request",
        )
    return text


def choose_repo(client: Client, here: workspace.Workspace, asked: str) -> str:
    """The repo: as asked, as configured, as the token is bound, else the name of the git work tree."""
    if asked and here.repo and asked != here.repo:
        _confirm_other_repo(here.repo, asked)
    if asked or here.repo:
        return asked or here.repo
    # Most tokens are bound to one repo, and then there is nothing to ask.
    bound = client.get("whoami/")["repo"]
    if bound:
        return str(bound)
    root = work_tree.find_git_root(Path.cwd())
    if root is None:
        raise Failure(
            "No repo is named.", cure="Use --repo, or run `blocks init` in the repo.", code="cli:no-repo"
        )
    # The service's names of repos have no capital letters.
    return root.name.lower()


def _confirm_other_repo(own: str, asked: str) -> None:
    """Ask before the source of one repo is sent under the name of another; where nobody can be asked, say it.

    Raises ``Failure`` where the person does not agree.
    """
    said = f"This is the repo {own} by its .blocks/config.yml; its source is sent as that of {asked}."
    output.print_warning(said)
    if not output.can_ask() or typer.confirm("Send it?", err=True):
        return
    raise Failure(
        "Nothing was sent.", cure=f"Leave --repo out, or go to the folder of {asked}.", code="cli:other-repo"
    )


@app.command()
def run(
    input_file: Annotated[Path, typer.Option("--input", "-i", help="The feature request, in Markdown.")],
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
    as_json: output.AsJson = False,
) -> None:
    """Run a feature request; on success the verified block is under .blocks/catalog/."""
    text, here = read_request(input_file), workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        body: dict[str, Any] = {"repo": choose_repo(client, here, repo), "feature_request": text}
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
            return output.print_json(flow) if as_json else output.print_line(flow["id"])
        if not as_json and collected is not None and collected.files:
            output.print_line(_describe_context(collected))
            # In a folder of its own the whole repo goes along, which is more than some expect.
            if not (here.root / CONFIG).is_file() and Path.cwd().resolve() != here.root:
                output.print_line(
                    f"They are those of the whole work tree {here.root}. "
                    "To send only this folder: `blocks init --here`."
                )
        if not as_json and (estimate := flow_report.describe_estimate(flow)):
            output.print_line(estimate)
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        finish_flow(client, flow["id"], blocks_folder, timeout=timeout, as_json=as_json)
    return None


def _describe_context(collected: CollectedFiles) -> str:
    size = f"{collected.size / KIB:,.0f} KB"
    sentence = f"Sent {len(collected.files)} files of this repo as context ({size})."
    left_out = collected.describe_left_out()
    return f"{sentence} Left out: {left_out}." if left_out else sentence


@app.command("follow")
def follow_flow(
    task: Task,
    output_dir: OutputFolder = None,
    timeout: Timeout = None,
    as_json: output.AsJson = False,
) -> None:
    """Follow a flow to its end and fetch its block."""
    here = workspace.find_workspace()
    with Client(here.url, workspace.read_token(here)) as client:
        blocks_folder = (output_dir or here.root) / BLOCKS_FOLDER
        finish_flow(client, task, blocks_folder, timeout=timeout, as_json=as_json)


@app.command()
def show(task: Task, as_json: output.AsJson = False) -> None:
    """Show a flow as it is: stages, gates, cost. Exits 0 when it passed, 1 failed, 2 cancelled, 8 while
    it runs.
    """
    with Client.of_workspace() as client:
        flow, gates = client.get(f"flows/{task}/"), client.get(f"flows/{task}/gates/")["gates"]
    if as_json:
        output.print_json(flow | {"gates": gates})
    else:
        console = output.make_console()
        console.print(flow["id"], mark_status(flow["status"]), flow["title"], soft_wrap=True)
        flow_report.print_wait(console, flow)
        console.print()
        console.print(stage_table(flow))
        _print_end(console, flow, gates, None)
    _exit_with_status(flow)


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
    output.print_json(found) if as_json else flow_report.print_replay(output.make_console(), told)
    if not told["same"]:
        raise typer.Exit(Exit.FAILED)


def follow_to_end(
    client: Client, flow_id: str, console: Console, *, timeout: float | None, quiet: bool
) -> dict[str, Any]:
    """Follow a flow; its last state. Ends with exit code 8 when ``timeout`` seconds pass or the user
    interrupts.
    """
    until = None if timeout is None else time.monotonic() + timeout

    def in_time() -> None:
        if until is not None and time.monotonic() > until:
            raise _still_running(flow_id, f"{flow_id} is still running after {timeout:g} s.")

    flow: dict[str, Any] = client.get(f"flows/{flow_id}/")
    with Progress(console, quiet=quiet) as progress:
        progress.show(flow)
        try:
            for _ in client.events(flow_id, on_idle=in_time):
                flow = client.get(f"flows/{flow_id}/")
                progress.show(flow)
                in_time()
        except KeyboardInterrupt:
            # Ctrl-C ends only the display. The flow belongs to the service, and `blocks flow cancel` ends it.
            raise _still_running(flow_id, f"{flow_id} continues without you.") from None
    return flow


def _still_running(flow_id: str, message: str) -> Failure:
    return Failure(
        message,
        cure=f"See it again with `blocks flow follow {flow_id}`, "
        f"or end it with `blocks flow cancel {flow_id}`.",
        code="flow:still-running",
        exit_code=Exit.STILL_RUNNING,
    )


def finish_flow(
    client: Client, flow_id: str, blocks: Path | None, *, timeout: float | None, as_json: bool
) -> None:
    """Follow a flow to its end, put its block in place, print its result; exits with its code."""
    # With --json, standard output holds the one document and nothing else.
    console = output.make_console(to_stderr=as_json)
    flow = follow_to_end(client, flow_id, console, timeout=timeout, quiet=as_json)
    gates = client.get(f"flows/{flow_id}/gates/")["gates"]
    fetched = None
    if flow["status"] == "passed" and blocks is not None:
        fetched = block_download.download_block(client, flow_id, blocks)
    placed = fetched.placed if fetched else None
    if as_json:
        paths = {
            "block_path": str(placed.folder) if placed else None,
            "schema_path": str(placed.schema) if placed and placed.schema else None,
        }
        output.print_json(flow | {"gates": gates} | paths)
    else:
        _print_end(console, flow, gates, fetched)
    _exit_with_status(flow)


def _exit_with_status(flow: dict[str, Any]) -> None:
    """Exit with the code of the flow's status."""
    code = {"passed": Exit.DONE, "failed": Exit.FAILED, "cancelled": Exit.USAGE}.get(
        flow["status"], Exit.STILL_RUNNING
    )
    if code:
        raise typer.Exit(code)


def _print_end(console: Console, flow: dict[str, Any], gates: list[dict[str, Any]], fetched: Any) -> None:
    console.print()
    if gates:
        console.print(flow_report.gate_table(gates))
        console.print()
    console.print(flow_report.describe_cost(flow))
    console.print(flow_report.describe_time(flow))
    if fetched is not None:
        placed = fetched.placed
        console.print(f"Block   {placed.folder}  ({placed.files} files)", soft_wrap=True)
        if placed.schema:
            console.print(f"Schema  {placed.schema}", soft_wrap=True)
        console.print(f"Proof   {fetched.proof}", soft_wrap=True)
        for key_id in fetched.new_keys:
            console.print(f"Key     {key_id} is trusted from now on; commit .blocks/keys/", soft_wrap=True)
    flow_report.print_error(console, flow["error"])
    if flow["status"] == "failed":
        console.print(f"More: blocks verify show {flow['id']} --verbose", soft_wrap=True)
    console.print(
        f"FLOW {flow['status'].upper()} {flow['id']}",
        style={"passed": "bold green", "failed": "bold red"}.get(flow["status"], "bold"),
    )
