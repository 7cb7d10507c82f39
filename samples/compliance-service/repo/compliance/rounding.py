"""The one way in which figures are rounded for reports."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def to_cents(value: Decimal) -> Decimal:
    """Two places, half up."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)
