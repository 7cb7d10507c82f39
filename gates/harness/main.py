"""The entry point of the harness: a task on standard input, its answer on descriptor 3, both JSON."""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.channel import write_whole
from gates.harness.child_work import ChildWork
from gates.harness.contract_task import measure_contract
from gates.harness.coverage_task import measure_coverage
from gates.harness.mutation_task import measure_mutation
from gates.harness.task import HarnessTask, parse_task
from gates.harness.zygote import Work
from gates.harness.zygote_pool import ZygoteDied, ZygotePool

RESULT_FD = 3
_MAX_WORKERS = 2
# The honest run may take a fifth of the task's time, and never more than this.
_MAX_PATIENCE_SECONDS = 20.0


def _prepare_work(setup: dict[str, Any]) -> Work:
    """What a zygote's children do; called in the zygote, which learns nothing else of the task."""
    return ChildWork(setup["folder"], setup["name"], with_tests=setup["kind"] != "contract")


def main() -> None:
    """Read a ``HarnessTask``; write ``{"ok": {...}}``, ``{"refused": text}`` or ``{"error": text}``."""
    # Generated code may be nested deeply, and so is its syntax tree.
    sys.setrecursionlimit(2000)
    workers = min(_MAX_WORKERS, os.cpu_count() or 1)
    # The zygotes are forked before the task is read: what decides the draws is never in their memory.
    pool = ZygotePool(_prepare_work, workers)
    try:
        answer: dict[str, Any] = {"ok": _run_task(parse_task(sys.stdin.read()), pool)}
    except (Unmeasurable, ZygoteDied) as refusal:
        answer = {"refused": str(refusal)}
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        answer = {"refused": f"The code cannot be read: {type(error).__name__}: {error}"}
    except Exception:  # noqa: BLE001 - the outermost edge: an internal error must reach the report as one
        answer = {"error": traceback.format_exc()[-4000:]}
    write_whole(RESULT_FD, json.dumps(answer).encode())


def _run_task(task: HarnessTask, pool: ZygotePool) -> dict[str, Any]:
    deadline = time.monotonic() + task.seconds
    folder = Path(sys.path[0]) / "block"
    pool.set_up({"folder": str(folder), "name": task.name, "kind": task.kind})
    patience = min(_MAX_PATIENCE_SECONDS, task.seconds / task.slack / 5)
    block = BlockUnderTest(folder, task.name, pool, task.seed, patience, task.slack)
    match task.kind:
        case "coverage":
            return measure_coverage(block, deadline)
        case "mutation":
            return measure_mutation(block, task.entrypoints, deadline)
        case _:
            return measure_contract(block, task.entrypoints, deadline)
