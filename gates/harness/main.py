"""The planner of the harness: a task comes in, its answers go out on descriptor 3, both JSON."""

import ast
import json
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gates.harness.block_under_test import BlockUnderTest, Unmeasurable
from gates.harness.channel import write_whole
from gates.harness.contract_task import measure_contract
from gates.harness.coverage_task import measure_coverage
from gates.harness.mutation_task import measure_mutation
from gates.harness.task import HarnessRequest, HarnessTask, parse_task
from gates.harness.zygote_pool import ZygoteDied, ZygotePool

RESULT_FD = 3
# The honest run may take a fifth of the task's time, and never more than this.
_MAX_PATIENCE_SECONDS = 20.0


def main(ends: list[tuple[int, int]], task: str) -> None:
    """Write an answer for each request of a ``HarnessTask``, by kind.

    An answer is ``{"ok": {...}}``, ``{"refused": text}`` or ``{"error": text}``, with its ``seconds``.
    ``ends`` are those of the zygotes.
    """
    # Generated code may be nested deeply, and so is its syntax tree.
    sys.setrecursionlimit(2000)
    answers = {}
    try:
        for kind, answer in _run_task(parse_task(task), ZygotePool(ends)):
            answers[kind] = answer
    except Exception:  # noqa: BLE001 - the outermost edge: an internal error must reach the report as one
        answers[""] = {"error": traceback.format_exc()[-4000:]}
    write_whole(RESULT_FD, json.dumps(answers).encode())


def _run_task(task: HarnessTask, pool: ZygotePool) -> Iterator[tuple[str, dict[str, Any]]]:
    folder = Path.cwd() / "block"
    modules = list(task.sources)
    patience = min(_MAX_PATIENCE_SECONDS, task.seconds / 5)
    block = BlockUnderTest(folder, task.sources, pool, task.seed, task.secret, patience)
    with_tests = any(request.kind != "contract" for request in task.requests)
    setup = {"folder": str(folder), "modules": modules, "with_tests": with_tests}
    pool.set_up({**setup, "preload": _list_imports(folder, task.sources)})
    for request in task.requests:
        started = time.monotonic()
        answer = _answer_request(block, request, pool.clock() + task.seconds)
        yield request.kind, {**answer, "seconds": round(time.monotonic() - started, 3)}


def _answer_request(block: BlockUnderTest, request: HarnessRequest, deadline: float) -> dict[str, Any]:
    try:
        match request.kind:
            case "coverage":
                return {"ok": measure_coverage(block, deadline)}
            case "mutation":
                return {"ok": measure_mutation(block, request.entrypoints, deadline)}
            case _:
                return {"ok": measure_contract(block, request.entrypoints, deadline)}
    except (Unmeasurable, ZygoteDied) as refusal:
        return {"refused": str(refusal)}
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        return {"refused": f"The code cannot be read: {type(error).__name__}: {error}"}
    except Exception:  # noqa: BLE001 - one measurement that fails inside must not take the others with it
        return {"error": traceback.format_exc()[-4000:]}


def _list_imports(folder: Path, sources: Mapping[str, str]) -> list[str]:
    """Modules that the block or its tests import at their top, other than the block itself."""
    found: set[str] = set()
    tests = f"test_{next(iter(sources))}"
    texts: list[str | bytes] = [*sources.values(), (folder / f"{tests}.py").read_bytes()]
    for text in texts:
        try:
            tree = ast.parse(text)
        # The child that runs the block reports that, in words for its author.
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    found |= {each.name for each in names}
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module)
    # Not what belongs to the block, nor what ends a process that imports it.
    return sorted(found - {*sources, tests, "antigravity", "this"})
