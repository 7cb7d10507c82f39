"""The fixed window: simple, and twice too generous around the full minute."""

from dataclasses import dataclass

WINDOW = 60_000_000  # microseconds


@dataclass(frozen=True)
class WindowState:
    """Requests counted since ``start``."""

    start: int
    count: int


def decide_fixed(now: int, limit: int, state: WindowState) -> tuple[bool, WindowState]:
    """Whether one more request fits into the current window, and the state to store."""
    start = now - now % WINDOW
    count = state.count if state.start == start else 0
    if count >= limit:
        return False, WindowState(start, count)
    return True, WindowState(start, count + 1)
