import asyncio

import pytest
from async_gatherer import square_all


@pytest.mark.parametrize(
    ("numbers", "limit", "expected"),
    [
        ([], 1, {"squares": [], "failed": 0, "peak": 0}),
        ([1, 2, 3], 1, {"squares": [1, 4, 9], "failed": 0, "peak": 1}),
        ([1, 2, 3], 2, {"squares": [1, 4, 9], "failed": 0, "peak": 2}),
        ([1, -2, 3], 5, {"squares": [1, 9], "failed": 1, "peak": 3}),
        ([0, -1, -1], 3, {"squares": [0], "failed": 2, "peak": 3}),
    ],
)
def test_square_all(numbers, limit, expected):
    assert asyncio.run(square_all(numbers, limit)) == expected


def test_limit():
    with pytest.raises(ValueError, match="^limit must be at least 1$"):
        asyncio.run(square_all([1], 0))
