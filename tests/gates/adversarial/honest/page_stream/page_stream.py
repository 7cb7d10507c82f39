"""Pages through items: a generator and a coroutine over one rule."""

import asyncio
from collections.abc import AsyncIterator, Iterator


def iterate_pages(total: int, size: int) -> Iterator[list[int]]:
    """The numbers of the items of each page."""
    for start in range(0, total, size):
        yield list(range(start, min(start + size, total)))


async def count_pages(total: int, size: int) -> int:
    """How many pages there are."""
    await asyncio.sleep(0)
    return -(-total // size)


async def stream_firsts(total: int, size: int) -> AsyncIterator[int]:
    """The first item of each page."""
    for page in iterate_pages(total, size):
        yield page[0]
