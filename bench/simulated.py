"""The simulated models, as a process of a benchmark's own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def simulator(*, echo: bool = True, latency: str = "0") -> Iterator[dict[str, str]]:
    """Its base URLs, by the names of their variables, and ``control``.

    With ``echo`` a short text answers everything, else the samples do.
    """
    answers = ["--echo"] if echo else ["--samples", str(ROOT / "samples")]
    command = [sys.executable, "-m", "providers.simulator", "--quiet", "--latency", latency, *answers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        if process.stdout is None:
            raise RuntimeError("the simulator has no output")
        try:
            yield dict(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
