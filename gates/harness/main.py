"""The door of the harness: a task on standard input, its answer on descriptor 3, both JSON."""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from gates.harness.calls import Calls
from gates.harness.contract_task import exercise
from gates.harness.coverage_task import cover
from gates.harness.mutation_task import mutate
from gates.harness.pool import Pool, ZygoteDied
from gates.harness.subject import Refused, Subject
from gates.harness.testrun import Tests
from gates.harness.zygote import Work

RESULT_FD = 3


def _prepare(setup: dict[str, Any]) -> Work:
    return (
        Calls(setup["folder"], setup["name"])
        if setup["task"] == "contract"
        else Tests(setup["folder"], setup["name"])
    )


def main() -> None:
    """Read ``{task, name, seed, seconds, ...}``; write ``{"ok": ...}``, ``{"refused": text}`` or ``{"error": text}``."""
    sys.setrecursionlimit(2000)
    workers = min(2, os.cpu_count() or 1)
    # The zygotes are born before the task is read: what decides the draws is never in their memory.
    pool = Pool(_prepare, workers)
    spec = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"ok": _run(spec, pool)}
    except (Refused, ZygoteDied) as refusal:
        answer = {"refused": str(refusal)}
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        answer = {"refused": f"The code cannot be read: {type(error).__name__}: {error}"}
    except Exception:  # noqa: BLE001 - the outermost edge: a fault of ours must reach the report as one
        answer = {"error": traceback.format_exc()[-4000:]}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(RESULT_FD, data) :]


def _run(spec: dict[str, Any], pool: Pool) -> dict[str, Any]:
    deadline = time.monotonic() + spec["seconds"]
    folder = Path(sys.path[0]) / "block"
    pool.set_up({"folder": str(folder), "name": spec["name"], "task": spec["task"]})
    slack = spec.get("slack", 1.0)
    subject = Subject(folder, spec["name"], pool, spec["seed"], min(20.0, spec["seconds"] / slack / 5), slack)
    match spec["task"]:
        case "coverage":
            return cover(subject, deadline)
        case "mutation":
            return mutate(subject, deadline)
        case _:
            return exercise(subject, spec, deadline)
