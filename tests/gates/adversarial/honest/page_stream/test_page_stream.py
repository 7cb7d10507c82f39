import asyncio

import pytest
from page_stream import count_pages, iterate_pages, stream_firsts


async def _collect(stream):
    return [item async for item in stream]


@pytest.mark.parametrize(
    ("total", "size", "pages"),
    [(0, 3, []), (3, 3, [[0, 1, 2]]), (4, 3, [[0, 1, 2], [3]]), (3, 1, [[0], [1], [2]])],
)
def test_pages(total, size, pages):
    assert list(iterate_pages(total, size)) == pages
    assert asyncio.run(count_pages(total, size)) == len(pages)
    assert asyncio.run(_collect(stream_firsts(total, size))) == [page[0] for page in pages]
