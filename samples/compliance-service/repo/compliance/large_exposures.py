"""Large exposures: no single counterparty above a quarter of eligible capital (Basel Committee, January 1991)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from compliance.rounding import to_cents

LIMIT = Decimal("0.25")


@dataclass(frozen=True)
class Breach:
    """One counterparty above the limit; ``excess`` in the currency of the input."""

    counterparty: str
    amount: Decimal
    excess: Decimal


def large_exposure_breaches(exposures: Mapping[str, Decimal], capital: Decimal) -> list[Breach]:
    """Breaches of the limit, largest excess first. Raises ``ValueError`` for a capital that is not positive."""
    if capital <= 0:
        raise ValueError("capital: must be positive")
    limit = capital * LIMIT
    breaches = [Breach(name, to_cents(amount), to_cents(amount - limit)) for name, amount in exposures.items() if amount > limit]
    return sorted(breaches, key=lambda breach: (-breach.excess, breach.counterparty))
