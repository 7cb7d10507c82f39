import pytest
from basket import Basket


@pytest.fixture
def basket():
    filled = Basket()
    filled.add("pen", 9)
    filled.add("ink")
    return filled


def test_add_counts(basket):
    assert basket.add("pen") == 10
    assert basket.add("pen", 2) == 12
    assert len(basket) == 13


def test_add_one_by_default():
    assert Basket().add("cap") == 1


@pytest.mark.parametrize("count", [0, -1])
def test_add_nothing(basket, count):
    with pytest.raises(ValueError, match="^count must be positive$"):
        basket.add("pen", count)


def test_remove(basket):
    basket.remove("pen")
    assert basket.items == {"ink": 1}
    with pytest.raises(KeyError, match="pen"):
        basket.remove("pen")


@pytest.mark.parametrize(("more", "cents"), [(0, 95), (1, 95), (2, 105), (11, 185)])
def test_every_tenth_is_free(basket, more, cents):
    if more:
        basket.add("pen", more)
    assert basket.total({"pen": 10, "ink": 5}) == cents
