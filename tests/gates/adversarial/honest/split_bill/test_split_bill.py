from decimal import Decimal

import pytest
from split_bill import shares


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        ("10.00", [1, 1], ["5.00", "5.00"]),
        ("10.00", [1, 1, 1], ["3.34", "3.33", "3.33"]),
        ("0.05", [1, 1, 1], ["0.02", "0.02", "0.01"]),
        ("-0.05", [1, 1, 1], ["-0.02", "-0.02", "-0.01"]),
        ("9.99", [0, 3], ["0.00", "9.99"]),
        ("1.009", [1], ["1.00"]),
    ],
)
def test_shares(amount, weights, expected):
    assert shares(Decimal(amount), weights) == [Decimal(part) for part in expected]


@pytest.mark.parametrize("weights", [[0], [1, -1], [-2, 5]])
def test_refused(weights):
    with pytest.raises(ValueError, match="^weights must be positive in sum and none negative$"):
        shares(Decimal(1), weights)


def test_two_places():
    assert [str(part) for part in shares(Decimal(7), [1, 2])] == ["2.34", "4.66"]
