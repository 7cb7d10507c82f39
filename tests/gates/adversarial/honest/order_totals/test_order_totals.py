from order_totals import sum_orders


def test_sums_by_customer():
    assert sum_orders([["b", 5], ["a", 1], ["b", 7], ["a", 2]], 0) == {"a": 3, "b": 12}


def test_at_least():
    assert sum_orders([["a", 5], ["b", 1], ["a", 7]], 2) == {"a": 12}
    assert sum_orders([["a", 2]], 2) == {"a": 2}
    assert sum_orders([["a", 2]], 3) == {}


def test_empty():
    assert sum_orders([], 0) == {}
