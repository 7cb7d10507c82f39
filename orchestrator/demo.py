"""``make demo``: a sample feature request travels through the whole orchestrator until a verified block lies on disk."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from orchestrator import embedded, stack

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
    access = stack.local_access(running)
    values = running.values | {
        "BLOCKS_API_URL": f"http://{running.values['HOST']}:{running.values['PORT']}",
        "BLOCKS_TOKEN": access["token"],
    }
    blocks = [sys.executable, "-m", "orchestrator.cli.main"]
    values["PYTHONPATH"] = str(stack.ROOT)
    subprocess.run([*blocks, "init"], cwd=folder, env=values, check=True, stdout=subprocess.DEVNULL)
    command = [*blocks, "flow", "run", "--input", "feature_request.md", "--repo", repo_of(sample), "--follow"]
    return subprocess.run(command, cwd=folder, env=values, check=False).returncode


def main() -> int:
    """Set everything up, run one sample, stop everything; the flow's exit code is ours."""
    console, sample = Console(), os.environ.get("SAMPLE") or "compliance-service"
    if sample not in samples():
        console.print(f"There is no sample {sample!r}. Choose one of: {', '.join(samples())}.", highlight=False)
        return 2
    state = Path(os.environ.get("STATE_DIR", stack.ROOT / ".state"))
    environment = {"PORT": str(embedded.free_port())}
    begun = time.monotonic()
    try:
        with (
            console.status("Starting PostgreSQL, Valkey, the web process and a worker for each queue"),
            stack.running(NEEDED, state=None, logs=state / "demo-logs", simulator=True, environment=environment) as running,
        ):
            folder = workspace(sample, state)
            console.print(
                f"[dim]Set up in {time.monotonic() - begun:.1f} s; logs are in {state / 'demo-logs'}[/]", highlight=False
            )
            return walk(sample, running, folder)
    except KeyboardInterrupt:
        return 2
    except (stack.StackError, embedded.EmbeddedServerError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
