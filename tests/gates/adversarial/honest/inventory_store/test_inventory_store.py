import pytest
from inventory_store import OutOfStockError, apply_movements


def move(sku, count):
    return {"sku": sku, "count": count}


@pytest.mark.parametrize(
    ("movements", "stock"),
    [
        ([], []),
        ([move("b", 2), move("a", 1)], [("a", "A", 1), ("b", "B", 2)]),
        ([move("a", 2), move("a", 3)], [("a", "A", 5)]),
        ([move("a", 2), move("a", -2)], [("a", "A", 0)]),
        ([move("a", 0)], [("a", "A", 0)]),
    ],
)
def test_movements(movements, stock):
    assert [tuple(row.values()) for row in apply_movements(movements)] == stock
    assert all(list(row) == ["sku", "name", "stock"] for row in apply_movements(movements))


@pytest.mark.parametrize(
    "movements", [[move("a", -1)], [move("a", 2), move("a", -3)], [move("a", 2), move("b", -1)]]
)
def test_out_of_stock(movements):
    with pytest.raises(OutOfStockError):
        apply_movements(movements)
