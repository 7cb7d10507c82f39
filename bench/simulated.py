"""The simulated models, as a process of a benchmark's own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def simulator(*arguments: str, latency: str = "0") -> Iterator[dict[str, str]]:
    """Its base URLs, by the names of their variables, and ``control``. Answers everything with a short text."""
    command = [sys.executable, "-m", "providers.simulator", "--quiet", "--echo", "--latency", latency, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        if process.stdout is None:
            raise RuntimeError("the simulator has no output")
        try:
            yield dict(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
