"""What every driver of the engine's benchmark shares, those in peers' environments too: only the standard
library.

A driver is a process that reads a number of flows from each line, runs them with at most ``WINDOW`` under
way, and answers with one line of JSON: ``started`` and ``ended`` in seconds of the machine's clock, and
``flows``, how many have passed.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

WINDOW = 64
POLL_SECONDS = 0.01


def run_windowed(
    count: int, start: Callable[[int], object], count_passed: Callable[[], int], window: int = WINDOW
) -> dict[str, float]:
    """Start ``count`` flows, at most ``window`` under way at once, until all have passed.

    ``count_passed`` asks the system itself, so a flow counts once its end is stored.
    """
    started = time.time()
    sent = passed = 0
    while passed < count:
        while sent < count and sent - passed < window:
            start(sent)
            sent += 1
        time.sleep(POLL_SECONDS)
        passed = count_passed()
    return {"started": started, "ended": time.time(), "flows": passed}


def run_pooled(count: int, threads: int, run: Callable[[], object]) -> dict[str, float]:
    """Run ``count`` flows in this process, on threads, to their ends; a flow that fails ends the driver."""
    started = time.time()
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(run) for _ in range(count)]:
            future.result()
    return {"started": started, "ended": time.time(), "flows": count}


def serve_requests(run: Callable[[int], dict[str, Any]]) -> None:
    """Answer requests until standard input ends. The first line says that the driver is ready."""
    write_answer({"ready": True})
    for line in sys.stdin:
        write_answer(run(int(line)))


def write_answer(value: dict[str, Any]) -> None:
    """Write one line of JSON, at once."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
