"""`blocks flow`: run a feature request, follow it, fetch its block; cancel and retry."""

import importlib
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from blocks.cli import output, place, report, sources
from blocks.cli.client import Client
from blocks.cli.errors import Exit, Failure
from blocks.cli.progress import Progress, mark, table

MAX_REQUEST_BYTES = 64 * 1024
_REPLAY_POLL_SECONDS = 0.5
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run, follow, cancel and retry flows.",
)
Task = Annotated[str, typer.Argument(metavar="TASK", help="The id of a flow: task_...")]
Timeout = Annotated[
    float | None,
    typer.Option(help="Stop following after so many seconds; the flow goes on, the exit code is 8."),
]


def read_request(path: Path) -> str:
    """The feature request, refused before anything is sent where the service would refuse it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Failure(
            f"{path} cannot be read: {error.strerror}",
            cure="Name a Markdown file with --input.",
            code="flow:no-input",
        ) from error
    if len(raw) > MAX_REQUEST_BYTES:
        raise Failure(
            f"{path} has {len(raw):,} bytes; at most {MAX_REQUEST_BYTES:,} (64 KB) are taken.",
            cure="Split it into several features, and leave source code to the context.",
            code="flow:request-too-large",
        )
    try:
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


def repo_name(client: Client, here: place.Place, asked: str) -> str:
    """The repo: as asked, as configured, as the token is bound, else as the git work tree is called."""
    if asked or here.repo:
        return asked or here.repo
    bound = client.get("whoami/")["repo"]
    if bound:
        return str(bound)
    root = place.git_root(Path.cwd())
    if root is None:
        raise Failure(
            "No repo is named.", cure="Use --repo, or run `blocks init` in the repo.", code="cli:no-repo"
        )
    return root.name.lower()


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
    output_dir: Annotated[
        Path | None, typer.Option("--output", help="Where to put .blocks/; the root of the repo by default.")
    ] = None,
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
    """Run a feature request; on success the verified block lies under .blocks/catalog/."""
    text, here = read_request(input_file), place.find()
    with Client(here.url, place.token()) as client:
        body: dict[str, Any] = {"repo": repo_name(client, here, repo), "feature_request": text}
        body |= {
            name: value
            for name, value in (("block_family", block_family or here.family), ("flow_type", flow_type))
            if value
        }
        found = sources.collect(here.root) if context else None
        if found is None or found.files:
            body["context"] = {"files": found.files if found else {}}
        flow = client.post("flows/", body, key=key)
        if not follow:
            return output.json_out(flow) if as_json else output.say(flow["id"])
        if not as_json and found is not None and found.files:
            output.say(
                f"Sent {len(found.files)} files of this repo as context ({found.size / 1024:,.0f} KB)."
                + (f" Left out: {found.told}." if found.told else "")
            )
        end(client, flow["id"], (output_dir or here.root) / place.FOLDER, timeout=timeout, as_json=as_json)
    return None


@app.command("follow")
def follow_flow(
    task: Task,
    output_dir: Annotated[Path | None, typer.Option("--output")] = None,
    timeout: Timeout = None,
    as_json: output.AsJson = False,
) -> None:
    """Follow a flow to its end and fetch its block."""
    here = place.find()
    with Client(here.url, place.token()) as client:
        end(client, task, (output_dir or here.root) / place.FOLDER, timeout=timeout, as_json=as_json)


@app.command()
def show(task: Task, as_json: output.AsJson = False) -> None:
    """Show a flow as it is: stages, gates, cost. Exits 0 when it passed, 1 failed, 2 cancelled, 8 while it goes on."""
    with Client.here() as client:
        flow, gates = client.get(f"flows/{task}/"), client.get(f"flows/{task}/gates/")["gates"]
    if as_json:
        output.json_out(flow | {"gates": gates})
    else:
        console = output.console()
        console.print(flow["id"], mark(flow["status"]), flow["title"], soft_wrap=True)
        report.wait_line(console, flow)
        console.print()
        console.print(table(flow))
        _say_end(console, flow, gates, None)
    _leave(flow)


@app.command()
def cancel(task: Task, as_json: output.AsJson = False) -> None:
    """Cancel a flow. What it did so far is kept; nothing more is started."""
    with Client.here() as client:
        flow = client.post(f"flows/{task}/cancel/")
    output.json_out(flow) if as_json else output.say(f"{task} {flow['status']}")


@app.command()
def retry(task: Task, as_json: output.AsJson = False) -> None:
    """Run a failed flow again from the stage that failed."""
    with Client.here() as client:
        flow = client.post(f"flows/{task}/retry/")
    output.json_out(flow) if as_json else output.say(f"{task} {flow['status']}: blocks flow follow {task}")


@app.command()
def replay(task: Task, timeout: Timeout = 600, as_json: output.AsJson = False) -> None:
    """Run a finished flow again from its recorded answers, without a call and without cost; exits 1 on a difference."""
    with Client.here() as client:
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
    output.json_out(found) if as_json else report.replayed(output.console(), told)
    if not told["same"]:
        raise typer.Exit(Exit.FAILED)


def watch(
    client: Client, flow_id: str, console: Console, *, timeout: float | None, quiet: bool
) -> dict[str, Any]:
    """Follow a flow; its last state. Ends with exit code 8 when ``timeout`` seconds pass or the user interrupts."""
    until = None if timeout is None else time.monotonic() + timeout

    def in_time() -> None:
        if until is not None and time.monotonic() > until:
            raise _going_on(flow_id, f"{flow_id} is still running after {timeout:g} s.")

    flow: dict[str, Any] = client.get(f"flows/{flow_id}/")
    with Progress(console, quiet=quiet) as progress:
        progress.show(flow)
        try:
            for _ in client.events(flow_id, on_idle=in_time):
                flow = client.get(f"flows/{flow_id}/")
                progress.show(flow)
                in_time()
        except KeyboardInterrupt:
            raise _going_on(flow_id, f"{flow_id} goes on without you.") from None
    return flow


def _going_on(flow_id: str, message: str) -> Failure:
    return Failure(
        message,
        cure=f"See it again with `blocks flow follow {flow_id}`, or end it with `blocks flow cancel {flow_id}`.",
        code="flow:still-running",
        exit_code=Exit.STILL_RUNNING,
    )


def end(client: Client, flow_id: str, blocks: Path | None, *, timeout: float | None, as_json: bool) -> None:
    """Follow a flow to its end, put its block in place, say what it came to; exits with its code."""
    console = output.console(to_stderr=as_json)
    flow = watch(client, flow_id, console, timeout=timeout, quiet=as_json)
    gates = client.get(f"flows/{flow_id}/gates/")["gates"]
    fetched = None
    if flow["status"] == "passed" and blocks is not None:
        # Loaded here: it brings a library for cryptography, which only a block at its end needs.
        fetched = importlib.import_module("blocks.cli.fetch").block(client, flow_id, blocks)
    placed = fetched.placed if fetched else None
    if as_json:
        paths = {
            "block_path": str(placed.folder) if placed else None,
            "schema_path": str(placed.schema) if placed and placed.schema else None,
        }
        output.json_out(flow | {"gates": gates} | paths)
    else:
        _say_end(console, flow, gates, fetched)
    _leave(flow)


def _leave(flow: dict[str, Any]) -> None:
    """Exit with the code of the flow's status."""
    code = {"passed": Exit.DONE, "failed": Exit.FAILED, "cancelled": Exit.USAGE}.get(
        flow["status"], Exit.STILL_RUNNING
    )
    if code:
        raise typer.Exit(code)


def _say_end(console: Console, flow: dict[str, Any], gates: list[dict[str, Any]], fetched: Any) -> None:
    console.print()
    if gates:
        console.print(report.gate_table(gates))
        console.print()
    console.print(report.cost_line(flow))
    console.print(report.time_line(flow))
    if fetched is not None:
        placed = fetched.placed
        console.print(f"Block   {placed.folder}  ({placed.files} files)", soft_wrap=True)
        if placed.schema:
            console.print(f"Schema  {placed.schema}", soft_wrap=True)
        console.print(f"Proof   {fetched.proof}", soft_wrap=True)
        for key_id in fetched.new_keys:
            console.print(f"Key     {key_id} is trusted from now on; commit .blocks/keys/", soft_wrap=True)
    report.error_lines(console, flow["error"])
    if flow["status"] == "failed":
        console.print(f"More: blocks verify show {flow['id']} --verbose", soft_wrap=True)
    console.print(
        f"FLOW {flow['status'].upper()} {flow['id']}",
        style={"passed": "bold green", "failed": "bold red"}.get(flow["status"], "bold"),
    )
