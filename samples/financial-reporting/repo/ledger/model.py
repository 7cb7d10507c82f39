"""The words of the ledger."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Posting:
    """One line of an account; money out is negative."""

    id: str
    day: date
    amount: Decimal
    text: str = ""
