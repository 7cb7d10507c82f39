"""Basel I capital ratio: capital held against risk-weighted assets.

Source: Basel Committee on Banking Supervision, *International Convergence of Capital Measurement and Capital Standards*,
July 1988 (with the 1998 amendments): risk weights in annex 2, limits on the elements of capital in annex 1. Amounts are
``Decimal`` in one currency; ratios are percentages with two places, rounded half up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

RISK_WEIGHTS: Mapping[str, Decimal] = {
    "sovereign_oecd": Decimal("0.00"),
    "public_sector": Decimal("0.10"),
    "bank_oecd": Decimal("0.20"),
    "mortgage": Decimal("0.50"),
    "corporate": Decimal("1.00"),
}
MINIMUM_TIER1_RATIO = Decimal("4.00")
MINIMUM_TOTAL_RATIO = Decimal("8.00")
MAX_AMOUNT = Decimal("1000000000000000")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class CapitalRatio:
    """Ratios in percent, amounts in the currency of the input.

    ``tier2_eligible`` is what of tier 2 counts after the limits; ``shortfall`` is the capital that is missing to the
    minimum total ratio of 8 %, 0.00 where nothing is missing.
    """

    risk_weighted_assets: Decimal
    tier1: Decimal
    tier2_eligible: Decimal
    tier1_ratio: Decimal
    total_ratio: Decimal
    shortfall: Decimal
    compliant: bool


def capital_ratio(
    exposures: Sequence[Mapping[str, object]],
    tier1: Decimal,
    tier2: Decimal,
    subordinated_debt: Decimal = Decimal(0),
) -> CapitalRatio:
    """Capital ratio for ``exposures``, each ``{"category": str, "amount": decimal text}``.

    ``tier2`` is without subordinated term debt, which is limited on its own: it counts up to half of tier 1, and all
    of tier 2 together up to the whole of tier 1. Raises ``ValueError`` for an unknown category, an amount that is
    negative, not a number or over ``MAX_AMOUNT``, and for a book whose risk-weighted assets are zero.
    """
    for name, capital in (("tier1", tier1), ("tier2", tier2), ("subordinated_debt", subordinated_debt)):
        _check_amount(name, capital)
    assets = risk_weighted_assets(exposures)
    if assets == 0:
        raise ValueError("risk-weighted assets are zero: the ratio is undefined")
    debt_eligible = min(subordinated_debt, tier1 / 2)
    tier2_eligible = min(tier2 + debt_eligible, tier1)
    total = tier1 + tier2_eligible
    tier1_ratio = tier1 * 100 / assets
    total_ratio = total * 100 / assets
    required = assets * MINIMUM_TOTAL_RATIO / 100
    return CapitalRatio(
        risk_weighted_assets=_round(assets),
        tier1=_round(tier1),
        tier2_eligible=_round(tier2_eligible),
        tier1_ratio=_round(tier1_ratio),
        total_ratio=_round(total_ratio),
        shortfall=_round(max(required - total, Decimal(0))),
        compliant=tier1_ratio >= MINIMUM_TIER1_RATIO and total_ratio >= MINIMUM_TOTAL_RATIO,
    )


def risk_weighted_assets(exposures: Sequence[Mapping[str, object]]) -> Decimal:
    """Sum of the amounts times the weights of their categories, unrounded."""
    assets = Decimal(0)
    for number, exposure in enumerate(exposures, start=1):
        category = str(exposure["category"])
        if category not in RISK_WEIGHTS:
            raise ValueError(f"exposure {number}: unknown category {category!r}")
        amount = Decimal(str(exposure["amount"]))
        _check_amount(f"exposure {number}", amount)
        assets += amount * RISK_WEIGHTS[category]
    return assets


def _check_amount(name: str, amount: Decimal) -> None:
    if not amount.is_finite():
        raise ValueError(f"{name}: not a number")
    if amount < 0:
        raise ValueError(f"{name}: must not be negative")
    if amount > MAX_AMOUNT:
        raise ValueError(f"{name}: over {MAX_AMOUNT}")


def _round(value: Decimal) -> Decimal:
    return value.quantize(_CENT, rounding=ROUND_HALF_UP)
