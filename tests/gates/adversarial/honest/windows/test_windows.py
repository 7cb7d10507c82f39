import itertools

import pytest
from windows import running_mean, windows


@pytest.mark.parametrize(
    ("size", "step", "expected"),
    [
        (1, 1, [(1,), (2,), (3,), (4,)]),
        (2, 1, [(1, 2), (2, 3), (3, 4)]),
        (2, 2, [(1, 2), (3, 4)]),
        (3, 1, [(1, 2, 3), (2, 3, 4)]),
        (5, 1, []),
        (1, 3, [(1,), (4,)]),
    ],
)
def test_windows(size, step, expected):
    assert list(windows([1, 2, 3, 4], size, step)) == expected


def test_step_is_one_by_default():
    assert list(windows([1, 2, 3], 2)) == [(1, 2), (2, 3)]


def test_windows_are_lazy():
    assert next(windows(itertools.count(), 3)) == (0, 1, 2)


@pytest.mark.parametrize(("size", "step"), [(0, 1), (1, 0), (-1, 1)])
def test_refused(size, step):
    with pytest.raises(ValueError, match="^size and step must be positive$"):
        list(windows([1], size, step))


def test_running_mean():
    assert list(running_mean([1, 2, 3, 6], 2)) == [1.5, 2.5, 4.5]
