"""Several lookups at once."""

import asyncio
from collections.abc import Awaitable, Callable


async def _with_limit(limit: asyncio.Semaphore, job: Callable[[int], Awaitable[int]], key: int) -> int:
    async with limit:
        return await job(key)


async def _square(key: int) -> int:
    await asyncio.sleep(0)
    return key * key


async def squares(keys: list[int], limit: int = 3) -> list[int]:
    """Squares in the order of ``keys``, at most ``limit`` at work at once."""
    if limit < 1:
        raise ValueError("limit must be positive")
    gate = asyncio.Semaphore(limit)
    return list(await asyncio.gather(*(_with_limit(gate, _square, key) for key in keys)))


async def first_above(keys: list[int], bound: int) -> int | None:
    """The first square above ``bound``, or none."""
    for value in await squares(keys):
        if value > bound:
            return value
    return None
