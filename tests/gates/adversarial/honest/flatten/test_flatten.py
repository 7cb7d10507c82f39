import pytest
from flatten import count, flatten, height

TREE = [1, [2, [3, [1]]], [], 1]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(None, [1, 2, 3, 1, 1]), (0, TREE), (1, [1, 2, [3, [1]], 1]), (2, [1, 2, 3, [1], 1])],
)
def test_flatten(depth, expected):
    assert flatten(TREE, depth) == expected


def test_flatten_all_by_default():
    assert flatten([[[[5]]]]) == [5]


@pytest.mark.parametrize(("tree", "expected"), [([], 1), ([1], 1), ([[]], 2), (TREE, 4)])
def test_height(tree, expected):
    assert height(tree) == expected


@pytest.mark.parametrize(("leaf", "times"), [(1, 3), (2, 1), (9, 0)])
def test_count(leaf, times):
    assert count(TREE, leaf) == times
