"""Capital ratio: books of every kind get a result, bad input is refused."""

from decimal import Decimal

import pytest

from capital_ratio import RISK_WEIGHTS, CapitalRatio, capital_ratio, risk_weighted_assets


def exposure(category, amount):
    return {"category": category, "amount": amount}


def test_every_category_is_weighed():
    assert isinstance(risk_weighted_assets([exposure(category, "100") for category in RISK_WEIGHTS]), Decimal)


@pytest.mark.parametrize(
    ("tier1", "tier2", "debt"), [("200", "50", "10"), ("40", "40", "0"), ("1", "1", "1"), ("50", "900", "900")]
)
def test_every_mix_of_capital_gets_a_result(tier1, tier2, debt):
    result = capital_ratio([exposure("corporate", "1000")], Decimal(tier1), Decimal(tier2), Decimal(debt))
    assert isinstance(result, CapitalRatio)


def test_the_verdict_is_a_boolean():
    assert capital_ratio([exposure("mortgage", "500")], Decimal(50), Decimal(20)).compliant in (True, False)


def test_an_empty_book_is_refused():
    with pytest.raises(ValueError):
        capital_ratio([], Decimal(1), Decimal(1))


@pytest.mark.parametrize("exposure", [exposure("corporate", "NaN"), exposure("corporate", "1e30"), exposure("gold", "1")])
def test_bad_exposures_are_refused(exposure):
    with pytest.raises(ValueError):
        risk_weighted_assets([exposure])
