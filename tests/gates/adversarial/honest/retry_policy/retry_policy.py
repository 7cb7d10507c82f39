"""Calls a function until it succeeds, and waits between by a function that is passed in."""

from collections.abc import Callable


class GaveUp(Exception):
    """Every attempt failed."""


def call_with_retries(function: Callable[[], int], attempts: int, wait: Callable[[int], None]) -> int:
    """The first result. Pauses grow 1, 2, 4, ... Raises ``GaveUp`` after the last attempt."""
    for attempt in range(attempts):
        try:
            return function()
        except ConnectionError:
            if attempt + 1 < attempts:
                wait(2**attempt)
    raise GaveUp(f"{attempts} attempts failed")
