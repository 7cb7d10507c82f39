"""What every driver of the engine's benchmark shares, peers' environments included: nothing but the standard library.

A driver is a process that reads a number of flows per line, runs them with at most ``WINDOW`` under way, and answers with
one line of JSON: ``started`` and ``ended`` in seconds of the machine's clock.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

WINDOW = 64
POLL_SECONDS = 0.01


def windowed(
    count: int, start: Callable[[int], object], finished: Callable[[], int], window: int = WINDOW
) -> dict[str, float]:
    """Start flows so that at most ``window`` are under way until all have ended; ``finished`` counts the ended ones."""
    started, sent, ended = time.time(), 0, 0
    while ended < count:
        while sent < count and sent - ended < window:
            start(sent)
            sent += 1
        time.sleep(POLL_SECONDS)
        ended = finished()
    return {"started": started, "ended": time.time()}


def pooled(count: int, threads: int, run: Callable[[], object]) -> dict[str, float]:
    """Run ``count`` flows in this process, on threads, to their ends."""
    started = time.time()
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(run) for _ in range(count)]:
            future.result()
    return {"started": started, "ended": time.time()}


def serve(run: Callable[[int], dict[str, Any]]) -> None:
    """Answer requests until standard input ends. The first line says that the driver is ready."""
    answer({"ready": True})
    for line in sys.stdin:
        answer(run(int(line)))


def answer(value: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
