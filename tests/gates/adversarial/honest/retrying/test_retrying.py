import pytest
from retrying import Malformed, TooMany, parse


def test_numbers():
    assert parse(["1", " 22 ", "-3"]) == [1, 22, -3]
    assert parse([]) == []


def test_first_malformed():
    with pytest.raises(Malformed, match="^'x' at 2$") as caught:
        parse(["1", "x", "y"])
    assert type(caught.value) is Malformed
    assert caught.value.position == 2
    assert isinstance(caught.value.__cause__, ValueError)


def test_tolerated():
    assert parse(["a", "1", "b", "2"], tolerate=2) == [1, 2]


def test_too_many():
    with pytest.raises(TooMany, match="^'b' at 3$"):
        parse(["a", "1", "b"], tolerate=1)
