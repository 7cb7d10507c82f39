"""``make demo``: take a sample feature request through the whole orchestrator to a verified block on disk."""

import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from orchestrator import env
from orchestrator.dev import embedded, forking, sample_repo, stack
from orchestrator.dev.steps import Steps

PROCESSES = ("web", "anthropic", "openai", "google", "gates", "control", "dispatcher")


def list_samples() -> list[str]:
    """The names that ``SAMPLE=`` takes, sorted."""
    return sorted(path.parent.name for path in stack.ROOT.glob("samples/*/scenario.yml"))


def find_sample_repo(sample: str) -> str:
    """The repo that a sample is for."""
    return stack.read_scenario_repo(stack.ROOT / "samples" / sample / "scenario.yml")


def start_flow(
    sample: str, running: stack.Stack, folder: Path, *, output: int | None = None
) -> "subprocess.Popen[bytes]":
    """Run a flow as its owner would, with the command line, which ends with the flow's exit code."""
    values = running.values | {
        "BLOCKS_API_URL": f"http://{running.values['HOST']}:{running.values['PORT']}",
        "BLOCKS_TOKEN": running.access["token"],
    }
    blocks = [sys.executable, "-m", "blocks.cli.main"]
    values["PYTHONPATH"] = str(stack.ROOT)
    subprocess.run([*blocks, "init"], cwd=folder, env=values, check=True, stdout=subprocess.DEVNULL)
    command = [
        *blocks,
        "flow",
        "run",
        "--input",
        "feature_request.md",
        "--repo",
        find_sample_repo(sample),
        "--follow",
    ]
    return subprocess.Popen(command, cwd=folder, env=values, stdout=output, stderr=output)


def run_flow(sample: str, running: stack.Stack, folder: Path) -> int:
    """Run a flow to its end; returns its exit code."""
    return start_flow(sample, running, folder).wait()


def main() -> int:
    """Set everything up, run one sample, stop everything; returns the flow's exit code."""
    console = Console()
    sample = os.environ.get("SAMPLE") or "compliance-service"
    if sample not in list_samples():
        choices = ", ".join(list_samples())
        console.print(f"There is no sample {sample!r}. Choose one of: {choices}.", highlight=False)
        return 2
    state = Path(os.environ.get("STATE_DIR", stack.ROOT / ".state"))
    try:
        return _run_sample(sample, state, console)
    except KeyboardInterrupt:
        return 2
    except (stack.StackError, forking.ZygoteError, embedded.EmbeddedServerError) as error:
        text = f"{error.message}\n{error.cure}"
        console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
        return 1


def _run_sample(sample: str, state: Path, console: Console) -> int:
    logs = state / "demo-logs"
    # A free port: `make up` of the same checkout may hold the usual one.
    environment = {"PORT": str(embedded.find_free_port())}
    begun = time.monotonic()
    with (
        Steps(console) as steps,
        stack.run_processes(
            (*PROCESSES, *env.read_names("COMPATIBLE_PROVIDERS")),
            state=None,
            logs=logs,
            simulator=True,
            environment=environment,
            say=steps.begin,
        ) as running,
    ):
        folder = sample_repo.check_out_sample(sample, state / "demo" / sample)
        steps.finish()
        console.print(
            f"Set up in {time.monotonic() - begun:.1f} s; the processes' logs are in {logs}\n",
            highlight=False,
            style="dim",
            soft_wrap=True,
        )
        return run_flow(sample, running, folder)


if __name__ == "__main__":
    sys.exit(main())
