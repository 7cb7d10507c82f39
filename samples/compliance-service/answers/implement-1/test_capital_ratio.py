"""Capital ratio: every figure is calculated, bad input is refused."""

from decimal import Decimal

import pytest

from capital_ratio import RISK_WEIGHTS, capital_ratio, risk_weighted_assets


def exposure(category, amount):
    return {"category": category, "amount": amount}


def test_risk_weighted_assets_are_a_decimal():
    book = [exposure(category, "100") for category in RISK_WEIGHTS]
    assert isinstance(risk_weighted_assets(book), Decimal)


def test_ratios_are_calculated():
    result = capital_ratio([exposure("corporate", "1000")], Decimal(200), Decimal(50), Decimal(10))
    assert result.tier1_ratio > 0
    assert result.total_ratio > 0


def test_the_result_has_every_field():
    result = capital_ratio([exposure("mortgage", "1000")], Decimal(50), Decimal(20))
    assert result.risk_weighted_assets
    assert result.tier2_eligible
    assert result.shortfall is not None
    assert result.compliant in (True, False)


def test_an_empty_book_is_refused():
    with pytest.raises(ValueError):
        capital_ratio([], Decimal(1), Decimal(1))


@pytest.mark.parametrize("amount", ["-1000", "NaN", "1e30"])
def test_bad_amounts_are_refused(amount):
    with pytest.raises(ValueError):
        risk_weighted_assets([exposure("corporate", amount)])


def test_unknown_categories_are_refused():
    with pytest.raises(ValueError):
        risk_weighted_assets([exposure("gold", "1")])
