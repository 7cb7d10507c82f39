"""A repayment plan to the cent."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Rate:
    """One payment: interest, repayment, and what is left."""

    interest: Decimal
    repaid: Decimal
    left: Decimal


def plan_loan(amount: Decimal, percent: Decimal, months: int) -> list[Rate]:
    """Equal repayments; the last one takes what rounding left over. ``percent`` is by year."""
    part = (amount / months).quantize(_CENT, ROUND_HALF_UP)
    left, plan = amount, []
    for month in range(1, months + 1):
        interest = (left * percent / 1200).quantize(_CENT, ROUND_HALF_UP)
        repaid = left if month == months else min(part, left)
        left -= repaid
        plan.append(Rate(interest, repaid, left))
    return plan
