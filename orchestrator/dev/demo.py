"""``make demo``: take a sample feature request through the whole orchestrator to a verified block on disk."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from orchestrator import env
from orchestrator.dev import embedded, stack

PROCESSES = ("web", "anthropic", "openai", "google", "gates", "control", "dispatcher")


def list_samples() -> list[str]:
    """The names that ``SAMPLE=`` takes, sorted."""
    return sorted(path.parent.name for path in stack.ROOT.glob("samples/*/scenario.yml"))


def prepare_workspace(sample: str, state: Path) -> Path:
    """A fresh copy of the sample's repo with its feature request, as its owner would have checked it out."""
    folder = state / "demo" / sample
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stack.ROOT / "samples" / sample / "repo", folder)
    shutil.copy(stack.ROOT / "samples" / sample / "feature_request.md", folder)
    if shutil.which("git"):
        # A repo of its own: without one, the command line would find the orchestrator's, which this folder is
        # in.
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def find_sample_repo(sample: str) -> str:
    """The repo that a sample is for."""
    return stack.read_scenario_repo(stack.ROOT / "samples" / sample / "scenario.yml")


def run_flow(sample: str, running: stack.Stack, folder: Path) -> int:
    """Run the flow as its owner would, with the command line; returns its exit code."""
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
    return subprocess.run(command, cwd=folder, env=values, check=False).returncode


class Steps:
    """What set-up is doing, each step with its time as soon as it is done. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._step = ""
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def begin(self, step: str) -> None:
        """End the current step and begin the next."""
        now = time.monotonic()
        if self._step:
            self._console.print(
                f"{self._step}  [dim]{now - self._begun:.1f} s[/]", highlight=False, soft_wrap=True
            )
        self._step, self._begun = step, now
        self._status.update(step)

    def finish(self) -> None:
        """End the last step."""
        self.begin("")
        self._status.stop()


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
    except (stack.StackError, embedded.EmbeddedServerError) as error:
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
        folder = prepare_workspace(sample, state)
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
