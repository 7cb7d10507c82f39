"""Runs many coroutines with a limit on how many run at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def _map_limited(
    function: Callable[[T], Awaitable[R]], items: Iterable[T], limit: int
) -> list[R | Exception]:
    semaphore = asyncio.Semaphore(limit)

    async def run(item: T) -> R:
        async with semaphore:
            return await function(item)

    return await asyncio.gather(*(run(item) for item in items), return_exceptions=True)


class _Counter:
    def __init__(self) -> None:
        self.running = 0
        self.peak = 0

    async def __aenter__(self) -> None:
        self.running += 1
        self.peak = max(self.peak, self.running)

    async def __aexit__(self, *exc_info: object) -> None:
        self.running -= 1


async def square_all(numbers: list[int], limit: int) -> dict[str, object]:
    """Squares, how many failed (negative numbers do), and how many ran at once at most."""
    if limit < 1:
        raise ValueError("limit must be at least 1")
    counter = _Counter()

    async def square(number: int) -> int:
        async with counter:
            await asyncio.sleep(0)
            if number < 0:
                raise ArithmeticError("negative")
            return number * number

    results = await _map_limited(square, numbers, limit)
    return {
        "squares": [result for result in results if not isinstance(result, Exception)],
        "failed": sum(isinstance(result, Exception) for result in results),
        "peak": counter.peak,
    }
