"""Failpoints: that each name stands for a statement there is, that one process dies at an armed point and
only there.
"""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.sql import SqlStatement
from tests.chaos import failpoints

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from tests.chaos import zygote
zygote.preload()
from tests.chaos import failpoints
failpoints.install()
from orchestrator.flows.engine import transitions
print("started", flush=True)
try:
    transitions.lock_flow("task_none")
except Exception as error:
    print(type(error).__name__, flush=True)
"""


def run(**environment: str) -> "subprocess.CompletedProcess[str]":
    """A process that passes ``transitions.lock_flow`` once; there is no database, so the statement fails."""
    known = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=known | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.parametrize("name", failpoints.WORKER_STATEMENTS)
def test_every_statement_that_is_named_exists(name):
    module, _, statement = name.partition(".")
    assert isinstance(importlib.import_module(failpoints.ENGINE + module)._SQL[statement], SqlStatement)


@pytest.mark.parametrize(("module", "function"), failpoints.CALL_STEPS)
def test_every_step_that_is_named_exists(module, function):
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("what", [*failpoints.SABOTAGE, "slow cancel"])
def test_every_sabotage_still_finds_what_it_takes_away(what):
    # In a process of its own: what it changes stays changed.
    call = "_slow_cancel(1)" if what == "slow cancel" else f"SABOTAGE[{what!r}]()"
    program = f"from tests.chaos import zygote, failpoints; zygote.preload(); failpoints.{call}"
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        check=True,
        timeout=110,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_a_process_dies_at_the_point_that_is_armed_and_only_one(tmp_path):
    (tmp_path / "fired").mkdir()
    (tmp_path / "transitions.lock_flow:before").touch()
    died = run(CHAOS_FAILPOINTS=str(tmp_path))
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "started\n"), died.stderr
    assert [path.name.rpartition(".")[0] for path in (tmp_path / "fired").iterdir()] == [
        "transitions.lock_flow:before"
    ]
    went_on = run(CHAOS_FAILPOINTS=str(tmp_path))
    assert (went_on.returncode, went_on.stdout) == (0, "started\nOperationalError\n"), went_on.stderr


def test_the_product_knows_of_no_failpoint():
    """What is not there cannot be switched on in production, and costs nothing."""
    sources = [
        path for package in ("orchestrator", "providers", "gates") for path in (ROOT / package).rglob("*.py")
    ]
    assert [path for path in sources if "CHAOS_" in path.read_text(encoding="utf-8")] == []
