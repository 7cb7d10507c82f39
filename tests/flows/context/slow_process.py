"""The process that builds bundles, with rules as they must never be: slow, greedy, broken or silent."""

import ctypes
import sys
import time
from collections.abc import Iterator

from orchestrator.core import redaction
from orchestrator.core.redaction.spans import Span
from orchestrator.flows.context import collector_process

collector_process.FILE_CPU_SECONDS = 0  # type: ignore[misc]


def find_nothing(path: str, data: bytes) -> Iterator[Span]:
    """In place of the rules for named values."""
    if b"slow" in data:
        while True:
            pass
    if b"crash" in data:
        ctypes.string_at(0)
    if b"greedy" in data:
        held = [b"x" * 2**30 for _ in range(8)]
        raise AssertionError(f"{len(held)} GB are there")
    if b"asleep" in data:
        time.sleep(600)
    if b"exit" in data:
        sys.exit(0)
    yield from ()


redaction.find_named_values = find_nothing

if __name__ == "__main__":
    collector_process.main()
