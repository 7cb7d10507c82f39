"""The objectives that we promised."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Objective:
    """Percent of good requests over 30 days."""

    service: str
    percent: Decimal


OBJECTIVES = (
    Objective("checkout", Decimal("99.95")),
    Objective("search", Decimal("99.9")),
    Objective("reports", Decimal("99.5")),
)
