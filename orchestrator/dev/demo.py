"""``make demo``: a sample feature request travels through the whole orchestrator until a verified block lies on disk."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console

from orchestrator.dev import embedded, stack

NEEDED = ("web", "anthropic", "openai", "google", "gates", "control", "dispatcher")


def samples() -> list[str]:
    """Names of the samples that ``SAMPLE=`` takes."""
    return sorted(path.parent.name for path in stack.ROOT.glob("samples/*/scenario.yml"))


def workspace(sample: str, state: Path) -> Path:
    """A fresh copy of the sample's repo with its feature request, as its owner would have checked it out."""
    folder = state / "demo" / sample
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stack.ROOT / "samples" / sample / "repo", folder)
    shutil.copy(stack.ROOT / "samples" / sample / "feature_request.md", folder)
    if shutil.which("git"):  # a repo of its own: this folder may lie inside another one's work tree
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def repo_of(sample: str) -> str:
    """The repo that a sample's scenario is for."""
    lines = (stack.ROOT / "samples" / sample / "scenario.yml").read_text(encoding="utf-8").splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("repo:"))


def walk(sample: str, running: stack.Stack, folder: Path) -> int:
    """Run the flow as its owner would, with the command line; returns its exit code."""
    values = running.values | {
        "BLOCKS_API_URL": f"http://{running.values['HOST']}:{running.values['PORT']}",
        "BLOCKS_TOKEN": running.access["token"],
    }
    blocks = [sys.executable, "-m", "blocks.cli.main"]
    values["PYTHONPATH"] = str(stack.ROOT)
    subprocess.run([*blocks, "init"], cwd=folder, env=values, check=True, stdout=subprocess.DEVNULL)
    command = [*blocks, "flow", "run", "--input", "feature_request.md", "--repo", repo_of(sample), "--follow"]
    return subprocess.run(command, cwd=folder, env=values, check=False).returncode


class Steps:
    """What set-up is doing, each step with its time as soon as it is done. Use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console, self._status = console, console.status("")
        self._step, self._begun = "", time.monotonic()

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def say(self, step: str) -> None:
        """The next step begins."""
        now = time.monotonic()
        if self._step:
            self._console.print(
                f"{self._step}  [dim]{now - self._begun:.1f} s[/]", highlight=False, soft_wrap=True
            )
        self._step, self._begun = step, now
        self._status.update(step)

    def close(self) -> None:
        """The last step is done."""
        self.say("")
        self._status.stop()


def main() -> int:
    """Set everything up, run one sample, stop everything; the flow's exit code is ours."""
    console, sample = Console(), os.environ.get("SAMPLE") or "compliance-service"
    if sample not in samples():
        console.print(
            f"There is no sample {sample!r}. Choose one of: {', '.join(samples())}.", highlight=False
        )
        return 2
    state = Path(os.environ.get("STATE_DIR", stack.ROOT / ".state"))
    environment = {"PORT": str(embedded.free_port())}
    begun = time.monotonic()
    try:
        with (
            Steps(console) as steps,
            stack.running(
                NEEDED,
                state=None,
                logs=state / "demo-logs",
                simulator=True,
                environment=environment,
                say=steps.say,
            ) as running,
        ):
            folder = workspace(sample, state)
            steps.close()
            console.print(
                f"Set up in {time.monotonic() - begun:.1f} s; the processes' logs are in {state / 'demo-logs'}\n",
                highlight=False,
                style="dim",
                soft_wrap=True,
            )
            return walk(sample, running, folder)
    except KeyboardInterrupt:
        return 2
    except (stack.StackError, embedded.EmbeddedServerError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
