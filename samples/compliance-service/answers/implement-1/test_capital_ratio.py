"""Capital ratio: whatever comes in is either calculated or refused."""

from decimal import Decimal

import pytest

from capital_ratio import RISK_WEIGHTS, capital_ratio


def outcome(category, amount, tier1="50", tier2="30", debt="10"):
    try:
        capital_ratio([{"category": category, "amount": amount}], Decimal(tier1), Decimal(tier2), Decimal(debt))
    except (ArithmeticError, TypeError, ValueError):
        return "refused"
    return "calculated"


@pytest.mark.parametrize("category", [*sorted(RISK_WEIGHTS), "gold"])
@pytest.mark.parametrize("amount", ["1000", "0", "-1", "NaN", "1e30"])
def test_every_exposure_is_calculated_or_refused(category, amount):
    assert outcome(category, amount) in {"calculated", "refused"}


@pytest.mark.parametrize(("tier1", "tier2", "debt"), [("200", "50", "10"), ("40", "40", "0"), ("1", "1", "1"), ("50", "900", "900")])
def test_every_mix_of_capital_is_calculated_or_refused(tier1, tier2, debt):
    assert outcome("corporate", "1000", tier1, tier2, debt) in {"calculated", "refused"}
