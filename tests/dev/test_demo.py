"""``make demo``, as a process of its own with servers of its own."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator.dev import demo, stack

GIVEN = ("DATABASE_URL", "REDIS_URL", "BLOCKS_", "ANTHROPIC_", "OPENAI_", "GOOGLE_", "SAMPLE")


def run_demo(state: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end; it keeps its files in ``state``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(GIVEN)}
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.dev.demo"],
        cwd=stack.ROOT,
        env=clean | {"STATE_DIR": str(state), "COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)
def test_it_brings_a_block_and_leaves_no_process(tmp_path: Path) -> None:
    state = tmp_path / "a state"
    # The samples pass the gates in tests of their own; here they would take most of the time.
    quick = {"QUALITY_GATE_MODE": "off", "SIMULATOR_LATENCY_SECONDS": "0"}
    done = run_demo(state, SAMPLE="devops-tooling", **quick)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("FLOW PASSED task_")
    assert "Set up in " in done.stdout
    (module,) = (state / "demo/devops-tooling/.blocks/catalog").glob("*/*/test_*.py")
    assert "def test_" in module.read_text(encoding="utf-8")
    logs = {path.stem for path in (state / "demo-logs").glob("*.log")}
    assert logs == {*demo.PROCESSES, "simulator", "zygote"}
    left = [process for process in psutil.process_iter(["environ"]) if _belongs(process, state)]
    assert left == []


def _belongs(process: psutil.Process, state: Path) -> bool:
    return (process.info["environ"] or {}).get("STATE_DIR") == str(state)


def test_an_unknown_sample_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    done = run_demo(tmp_path, SAMPLE="nothing")
    assert done.returncode == 2
    for name in demo.list_samples():
        assert name in done.stdout
