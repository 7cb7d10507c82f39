import asyncio

import gather as subject
import pytest
from gather import first_above, squares


def test_squares_in_order():
    assert asyncio.run(squares([3, 1, 2])) == [9, 1, 4]
    assert asyncio.run(squares([], 1)) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_must_be_positive(limit):
    with pytest.raises(ValueError, match="^limit must be positive$"):
        asyncio.run(squares([1], limit))


@pytest.mark.parametrize(("bound", "expected"), [(0, 1), (1, 4), (4, 9), (9, None)])
def test_first_above(bound, expected):
    assert asyncio.run(first_above([1, 2, 3], bound)) == expected


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (2, 2), (None, 3)])
def test_never_more_at_once(monkeypatch, limit, most):
    running, seen = 0, []

    async def slow(key):
        nonlocal running
        running += 1
        seen.append(running)
        await asyncio.sleep(0)
        running -= 1
        return key

    monkeypatch.setattr(subject, "_square", slow)
    assert asyncio.run(squares([1, 2, 3, 4, 5], limit) if limit else squares([1, 2, 3, 4, 5])) == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert max(seen) == most
