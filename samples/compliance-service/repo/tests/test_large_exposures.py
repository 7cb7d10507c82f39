from decimal import Decimal

import pytest

from compliance.large_exposures import large_exposure_breaches


def test_the_limit_itself_is_no_breach():
    assert large_exposure_breaches({"a": Decimal(25), "b": Decimal("25.01")}, Decimal(100))[0].excess == Decimal("0.01")


def test_capital_must_be_positive():
    with pytest.raises(ValueError, match="capital: must be positive"):
        large_exposure_breaches({}, Decimal(0))
