import pytest
from hot_loop import points_inside


@pytest.mark.parametrize(("radius", "count"), [(0, 1), (1, 5), (2, 13), (3, 29), (10, 317), (120, 45225)])
def test_points_inside(radius, count):
    assert points_inside(radius) == count


def test_refused():
    with pytest.raises(ValueError, match="^radius must not be negative$"):
        points_inside(-1)
