"""Capital ratio: weights, limits of tier 2, minima on both sides of their boundaries, refusals."""

from decimal import Decimal

import pytest

from capital_ratio import MAX_AMOUNT, CapitalRatio, capital_ratio, risk_weighted_assets


def exposure(category, amount):
    return {"category": category, "amount": amount}


def ratio(tier1="40", tier2="40", debt="0", assets="1000"):
    return capital_ratio([exposure("corporate", assets)], Decimal(tier1), Decimal(tier2), Decimal(debt))


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("sovereign_oecd", "0"),
        ("public_sector", "10"),
        ("bank_oecd", "20"),
        ("mortgage", "50"),
        ("corporate", "100"),
    ],
)
def test_each_category_has_its_weight(category, expected):
    assert risk_weighted_assets([exposure(category, "100")]) == Decimal(expected)


def test_weighted_amounts_add_up():
    book = [exposure("corporate", "100"), exposure("mortgage", "50"), exposure("bank_oecd", "10.10")]
    assert risk_weighted_assets(book) == Decimal("127.02")


def test_an_empty_book_weighs_nothing():
    assert risk_weighted_assets([]) == Decimal(0)


def test_the_whole_result_of_a_mixed_book():
    book = [
        exposure("sovereign_oecd", "500.00"),
        exposure("public_sector", "100.00"),
        exposure("bank_oecd", "200.00"),
        exposure("mortgage", "300.00"),
        exposure("corporate", "1000.00"),
    ]
    assert capital_ratio(book, Decimal("60"), Decimal("30"), Decimal("40")) == CapitalRatio(
        risk_weighted_assets=Decimal("1200.00"),
        tier1=Decimal("60.00"),
        tier2_eligible=Decimal("60.00"),
        tier1_ratio=Decimal("5.00"),
        total_ratio=Decimal("10.00"),
        shortfall=Decimal("0.00"),
        compliant=True,
    )


def test_subordinated_debt_is_optional():
    assert capital_ratio([exposure("corporate", "1000")], Decimal(50), Decimal(20)).tier2_eligible == Decimal("20.00")


@pytest.mark.parametrize(
    ("debt", "eligible"),
    [("0", "10.00"), ("29.99", "39.99"), ("30", "40.00"), ("30.01", "40.00"), ("500", "40.00")],
)
def test_subordinated_debt_counts_up_to_half_of_tier1(debt, eligible):
    assert ratio(tier1="60", tier2="10", debt=debt).tier2_eligible == Decimal(eligible)


@pytest.mark.parametrize(("tier2", "eligible"), [("59.99", "59.99"), ("60", "60.00"), ("60.01", "60.00")])
def test_tier2_counts_up_to_the_whole_of_tier1(tier2, eligible):
    result = ratio(tier1="60", tier2=tier2)
    assert result.tier2_eligible == Decimal(eligible)
    assert result.total_ratio == (6 + Decimal(eligible) / 10).quantize(Decimal("0.01"))


@pytest.mark.parametrize(
    ("tier1", "tier2", "compliant"),
    [
        ("40", "40", True),  # exactly 4 % and 8 %
        ("39.99", "41", False),  # tier 1 too small
        ("50", "29.99", False),  # total too small
        ("50", "30", True),
        ("79.99", "0", False),
        ("80", "0", True),
    ],
)
def test_both_minima_are_inclusive(tier1, tier2, compliant):
    assert ratio(tier1, tier2).compliant is compliant


def test_a_total_above_eight_does_not_mend_a_small_tier1():
    result = capital_ratio([exposure("corporate", "1000")], Decimal("39.999"), Decimal("39.999"))
    assert (result.tier1_ratio, result.total_ratio, result.compliant) == (Decimal("4.00"), Decimal("8.00"), False)


@pytest.mark.parametrize(
    ("tier1", "tier2", "shortfall"),
    [("40", "40", "0.00"), ("40", "39.99", "0.01"), ("10", "10", "60.00"), ("0", "0", "80.00"), ("90", "0", "0.00")],
)
def test_shortfall_to_the_minimum_total(tier1, tier2, shortfall):
    assert ratio(tier1, tier2).shortfall == Decimal(shortfall)


def test_figures_round_half_up_to_the_cent():
    result = capital_ratio([exposure("corporate", "3000.005")], Decimal("100.125"), Decimal("0.005"))
    assert result.risk_weighted_assets == Decimal("3000.01")
    assert result.tier1 == Decimal("100.13")
    assert result.tier2_eligible == Decimal("0.01")
    assert (result.tier1_ratio, result.total_ratio) == (Decimal("3.34"), Decimal("3.34"))


@pytest.mark.parametrize("book", [[], [exposure("sovereign_oecd", "10")], [exposure("corporate", "0")]])
def test_a_book_without_risk_has_no_ratio(book):
    with pytest.raises(ValueError, match="^risk-weighted assets are zero: the ratio is undefined$"):
        capital_ratio(book, Decimal(1), Decimal(1))


def test_an_unknown_category_is_named_with_its_number():
    with pytest.raises(ValueError, match="^exposure 2: unknown category 'gold'$"):
        risk_weighted_assets([exposure("mortgage", "1"), exposure("gold", "1")])


@pytest.mark.parametrize(
    ("amount", "message"),
    [("-0.01", "must not be negative"), ("NaN", "not a number"), ("Infinity", "not a number"),
     ("1000000000000000.01", "over 1000000000000000")],
)
def test_bad_amounts_are_refused(amount, message):
    with pytest.raises(ValueError, match=f"^exposure 1: {message}$"):
        risk_weighted_assets([exposure("corporate", amount)])


@pytest.mark.parametrize("name", ["tier1", "tier2", "subordinated_debt"])
def test_bad_capital_is_refused_by_its_name(name):
    capital = {"tier1": Decimal(1), "tier2": Decimal(1), "subordinated_debt": Decimal(1), name: Decimal(-1)}
    with pytest.raises(ValueError, match=f"^{name}: must not be negative$"):
        capital_ratio([exposure("corporate", "1")], **capital)


def test_the_largest_amount_is_allowed():
    assert risk_weighted_assets([exposure("corporate", str(MAX_AMOUNT))]) == Decimal("1000000000000000")
