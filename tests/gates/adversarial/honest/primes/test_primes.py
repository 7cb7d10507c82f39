import pytest
from primes import factors, is_prime


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, []), (2, [2]), (4, [2, 2]), (9, [3, 3]), (12, [2, 2, 3]), (97, [97]), (360, [2, 2, 2, 3, 3, 5])],
)
def test_factors(number, expected):
    assert factors(number) == expected


def test_factors_of_nothing():
    with pytest.raises(ValueError, match="^number must be at least 1$"):
        factors(0)


def test_is_prime():
    assert [number for number in range(1, 20) if is_prime(number)] == [2, 3, 5, 7, 11, 13, 17, 19]
    assert is_prime(1) is False
