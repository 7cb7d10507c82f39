"""Shares of an amount that add up."""

from decimal import ROUND_DOWN, Decimal

CENT = Decimal("0.01")


def shares(amount: Decimal, weights: list[int]) -> list[Decimal]:
    """Split ``amount`` by ``weights``; cents left over go to the first ones."""
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights must be positive in sum and none negative")
    parts = [(amount * weight / whole).quantize(CENT, ROUND_DOWN) for weight in weights]
    left = amount.quantize(CENT, ROUND_DOWN) - sum(parts)
    cent = CENT if left > 0 else -CENT
    index = 0
    while left != 0:
        parts[index] += cent
        left -= cent
        index += 1
    return parts
