"""Sliding windows."""

from collections import deque
from collections.abc import Iterable, Iterator


def windows(items: Iterable[int], size: int, step: int = 1) -> Iterator[tuple[int, ...]]:
    """Every run of ``size`` neighbours, starting anew after ``step`` items."""
    if size < 1 or step < 1:
        raise ValueError("size and step must be positive")
    held: deque[int] = deque(maxlen=size)
    skip = 0
    for item in items:
        held.append(item)
        if len(held) < size:
            continue
        if skip == 0:
            yield tuple(held)
            skip = step
        skip -= 1


def running_mean(items: list[int], size: int) -> Iterator[float]:
    """Mean of each window."""
    for window in windows(items, size):
        yield sum(window) / size
