"""A short run, each kind of fault once: the harness and the engine together, without the sabotage runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS

ROOT = Path(__file__).parents[2]


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_each_fault_once_breaks_nothing(tmp_path):
    # Servers of its own, whatever the suite runs on.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "SOAK"}
    }
    command = [
        "--flows",
        "60",
        "--faults",
        str(len(FAULTS)),
        "--measure",
        "0",
        "--no-sabotage",
        "--result",
        str(tmp_path / "chaos.json"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *command],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads((tmp_path / "chaos.json").read_text())
    assert result["flows"] >= 60
    assert result["faults"] >= len(FAULTS)
    assert result["backlog_at_flushall"] == 15
