"""The simulated models, in a process that one benchmark starts."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def run_simulator(*, echo: bool = True, latency: str = "0") -> Iterator[dict[str, str]]:
    """Yield the base URL of each provider by the name of its variable, and ``control``.

    With ``echo`` a short text answers everything, otherwise the samples do. ``latency`` is in seconds, or a
    range of them.
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


def read_counters(urls: Mapping[str, str], provider: str) -> dict[str, Any]:
    """What the simulated provider has counted so far: ``requests``, ``tokens`` and the like."""
    with urllib.request.urlopen(urls["control"], timeout=10) as answer:  # noqa: S310 - a loopback address
        return dict(json.load(answer)["counters"][provider])


def set_behaviour(urls: Mapping[str, str], provider: str, behaviour: Mapping[str, Any]) -> None:
    """Tell the simulated provider how to behave from now on."""
    request = urllib.request.Request(  # noqa: S310 - a loopback address
        f"{urls['control']}{provider}", json.dumps(behaviour).encode(), method="PUT"
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass
