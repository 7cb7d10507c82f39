"""Failpoints: that each name stands for a statement there is, that one process dies at an armed point and
only there.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.core.sql import SqlStatement
from tests.chaos import failpoints

ROOT = Path(__file__).parents[2]
# Runs each program that it reads in a fork of its own, because what one changes stays changed.
RUNNER = """
import json, os, sys, traceback
from tests.chaos import zygote
zygote.preload()
for line in sys.stdin:
    program, environment, output = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.environ.update(environment)
        file = os.open(output, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        code = 1
        try:
            exec(program, {})
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
PASS_ONCE = """
from tests.chaos import failpoints
failpoints.install()
from orchestrator.flows.engine import transitions
print("started", flush=True)
try:
    transitions.lock_flow("task_none")
except Exception as error:
    print(type(error).__name__, flush=True)
"""


@pytest.mark.parametrize("name", failpoints.WORKER_STATEMENTS)
def test_every_statement_that_is_named_exists(name):
    module, _, statement = name.partition(".")
    assert isinstance(importlib.import_module(failpoints.ENGINE + module)._SQL[statement], SqlStatement)


@pytest.mark.parametrize(("module", "function"), failpoints.CALL_STEPS)
def test_every_step_that_is_named_exists(module, function):
    assert callable(getattr(importlib.import_module(module), function))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a program in a process that has imported the product; its exit code and what it printed."""
    output = tmp_path_factory.mktemp("run") / "output"
    # There is no database, so every statement fails.
    known = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        env=known,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as runner:

        def run_forked(program: str, **environment: str) -> tuple[int, str]:
            output.unlink(missing_ok=True)
            runner.stdin.write(json.dumps([program, environment, str(output)]) + "\n")
            runner.stdin.flush()
            code = int(runner.stdout.readline())
            return code, output.read_text(encoding="utf-8")

        yield run_forked


@pytest.mark.parametrize("what", [*failpoints.SABOTAGE, "slow cancel"])
def test_every_sabotage_still_finds_what_it_takes_away(run, what):
    call = "_slow_cancel(1)" if what == "slow cancel" else f"SABOTAGE[{what!r}]()"
    assert run(f"from tests.chaos import failpoints; failpoints.{call}") == (0, "")


@pytest.mark.slow
def test_a_sabotage_that_finds_nothing_fails(run):
    call = "failpoints._replace_clause('claim.claim_stage', 'no such clause', '')"
    assert run(f"from tests.chaos import failpoints; {call}") == (1, "")


@pytest.mark.slow
def test_a_process_dies_at_the_point_that_is_armed_and_only_one(run, tmp_path):
    (tmp_path / "fired").mkdir()
    (tmp_path / "transitions.lock_flow:before").touch()
    assert run(PASS_ONCE, CHAOS_FAILPOINTS=str(tmp_path)) == (-signal.SIGKILL, "started\n")
    assert [path.name.rpartition(".")[0] for path in (tmp_path / "fired").iterdir()] == [
        "transitions.lock_flow:before"
    ]
    assert run(PASS_ONCE, CHAOS_FAILPOINTS=str(tmp_path)) == (0, "started\nOperationalError\n")


def test_the_product_knows_of_no_failpoint():
    """What is not there cannot be switched on in production, and costs nothing."""
    sources = [
        path for package in ("orchestrator", "providers", "gates") for path in (ROOT / package).rglob("*.py")
    ]
    assert [path for path in sources if "CHAOS_" in path.read_text(encoding="utf-8")] == []
