"""Dates on which nothing is deployed."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Freeze:
    """From ``first`` to ``last``."""

    name: str
    first: date
    last: date


FREEZES = (Freeze("year end", date(2026, 12, 18), date(2027, 1, 4)),)
