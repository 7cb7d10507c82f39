"""A short run, each kind of fault once: the harness and the engine together, without the sabotage runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.faults import FAULTS

ROOT = Path(__file__).parents[2]


# A backlog would be judged by its seconds, and the machine may be busy.
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_run_breaks_nothing(tmp_path):
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    result = run_chaos(folder, "--flows", "8", "--faults", "3", "--backlog", "0", "--seed", "3")
    assert result["flows"] >= 8
    assert result["faults"] >= 3


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_each_fault_once_breaks_nothing(tmp_path):
    result = run_chaos(tmp_path, "--flows", "60", "--faults", str(len(FAULTS)))
    assert result["flows"] >= 60
    assert result["faults"] >= len(FAULTS)
    assert result["backlog_at_flushall"] == 15


def run_chaos(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run ``python -m tests.chaos`` without sabotage; it has to hold. Returns the figures that it wrote."""
    # The run starts its own servers and must not use those of the suite.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "SOAK"}
    }
    file = folder / "chaos.json"
    command = [*arguments, "--measure", "0", "--no-sabotage", "--result", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *command],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures: dict[str, Any] = json.loads(file.read_text())
    return figures
