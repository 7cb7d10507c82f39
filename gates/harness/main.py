"""The door of the harness: a task on standard input, its answer on descriptor 3, both JSON."""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.contract_task import measure_contract
from gates.harness.coverage_task import measure_coverage
from gates.harness.entry_points import EntryPointCalls
from gates.harness.mutation_task import measure_mutation
from gates.harness.pytest_run import PytestRun
from gates.harness.zygote import Work
from gates.harness.zygote_pool import ZygoteDied, ZygotePool

RESULT_FD = 3


def _prepare(setup: dict[str, Any]) -> Work:
    return (
        EntryPointCalls(setup["folder"], setup["name"])
        if setup["task"] == "contract"
        else PytestRun(setup["folder"], setup["name"])
    )


def main() -> None:
    """Read ``{task, name, seed, seconds, ...}``; write ``{"ok": ...}``, ``{"refused": text}`` or ``{"error": text}``."""
    sys.setrecursionlimit(2000)
    workers = min(2, os.cpu_count() or 1)
    # The zygotes are born before the task is read: what decides the draws is never in their memory.
    pool = ZygotePool(_prepare, workers)
    spec = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"ok": _run(spec, pool)}
    except (Unmeasurable, ZygoteDied) as refusal:
        answer = {"refused": str(refusal)}
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        answer = {"refused": f"The code cannot be read: {type(error).__name__}: {error}"}
    except Exception:  # noqa: BLE001 - the outermost edge: a fault of ours must reach the report as one
        answer = {"error": traceback.format_exc()[-4000:]}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(RESULT_FD, data) :]


def _run(spec: dict[str, Any], pool: ZygotePool) -> dict[str, Any]:
    deadline = time.monotonic() + spec["seconds"]
    folder = Path(sys.path[0]) / "block"
    pool.set_up({"folder": str(folder), "name": spec["name"], "task": spec["task"]})
    slack = spec.get("slack", 1.0)
    subject = BlockUnderTest(
        folder, spec["name"], pool, spec["seed"], min(20.0, spec["seconds"] / slack / 5), slack
    )
    match spec["task"]:
        case "coverage":
            return measure_coverage(subject, deadline)
        case "mutation":
            return measure_mutation(subject, deadline)
        case _:
            return measure_contract(subject, spec, deadline)
