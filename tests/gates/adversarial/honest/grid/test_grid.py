import dataclasses

import pytest
from grid import Path, Point, step


def test_moved():
    assert Point(1, 2).moved(3, 4) == Point(4, 6)
    assert Point(1, 2).moved() == Point(1, 2)


@pytest.mark.parametrize(("other", "steps"), [(Point(0, 0), 7), (Point(3, 4), 0), (Point(5, 1), 5)])
def test_distance(other, steps):
    assert Point(3, 4).distance(other) == steps


def test_points_are_ordered_and_frozen():
    assert sorted([Point(2, 1), Point(1, 9)]) == [Point(1, 9), Point(2, 1)]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Point(1, 1).x = 2


def test_length():
    assert Path([Point(0, 0), Point(0, 3), Point(2, 3)]).length == 5
    assert Path().length == 0


def test_crossing():
    with pytest.raises(ValueError, match="^a path crosses itself$"):
        Path([Point(0, 0), Point(1, 0), Point(0, 0)])


@pytest.mark.parametrize(
    ("direction", "end"), [("n", Point(5, 6)), ("s", Point(5, 4)), ("e", Point(6, 5)), ("w", Point(4, 5))]
)
def test_step(direction, end):
    assert step(5, 5, direction) == end
