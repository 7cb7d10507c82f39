"""Capital ratio: a mixed book, a weak book and the refusals."""

from decimal import Decimal

import pytest

from capital_ratio import RISK_WEIGHTS, capital_ratio, risk_weighted_assets


def exposure(category, amount):
    return {"category": category, "amount": amount}


@pytest.mark.parametrize("category", sorted(RISK_WEIGHTS))
def test_every_category_is_accepted(category):
    assert risk_weighted_assets([exposure(category, "100")]) >= 0


def test_riskier_books_weigh_more():
    assert risk_weighted_assets([exposure("corporate", "100")]) > risk_weighted_assets([exposure("bank_oecd", "100")])


def test_a_well_capitalised_bank_complies():
    result = capital_ratio([exposure("corporate", "1000")], Decimal(200), Decimal(50), Decimal(10))
    assert result.compliant
    assert result.total_ratio > result.tier1_ratio
    assert result.shortfall == 0


def test_a_bank_without_capital_does_not_comply():
    result = capital_ratio([exposure("corporate", "1000")], Decimal(1), Decimal(1))
    assert not result.compliant
    assert result.shortfall > 0


def test_tier2_is_limited():
    assert capital_ratio([exposure("corporate", "1000")], Decimal(50), Decimal(900)).tier2_eligible < 900


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
