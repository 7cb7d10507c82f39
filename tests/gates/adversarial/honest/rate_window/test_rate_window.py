import pytest
from rate_window import Window


def test_window():
    window = Window(2, 10)
    assert [window.allow(at) for at in (0, 1, 2, 9, 10, 10, 11)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(("size", "seconds"), [(0, 1), (1, 0), (-1, 5)])
def test_refused(size, seconds):
    with pytest.raises(ValueError, match="^size and seconds must be positive$"):
        Window(size, seconds)


def test_smallest():
    window = Window(1, 1)
    assert [window.allow(0), window.allow(0), window.allow(1)] == [True, False, True]
