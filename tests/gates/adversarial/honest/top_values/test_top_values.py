import pytest
from top_values import count_above, find_nth_largest


@pytest.mark.parametrize(("k", "value"), [(1, 9), (2, 7), (3, 7), (4, 1)])
def test_nth(k, value):
    assert find_nth_largest([7, 1, 9, 7], k) == value


@pytest.mark.parametrize(("k", "count"), [(1, 0), (2, 1), (3, 1), (4, 3)])
def test_above(k, count):
    assert count_above([7, 1, 9, 7], k) == count
