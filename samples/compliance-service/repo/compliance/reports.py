"""Loads a book, calls the calculations, formats the daily report."""

import csv
from decimal import Decimal
from pathlib import Path

from compliance.large_exposures import large_exposure_breaches


def load_exposures(path: Path) -> dict[str, Decimal]:
    """Counterparty to amount from a CSV file with the columns ``counterparty`` and ``amount``."""
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["counterparty"]: Decimal(row["amount"]) for row in csv.DictReader(lines)}


def daily_report(path: Path, capital: Decimal) -> str:
    """The breaches of the day, one per line. Capital adequacy is still missing here."""
    breaches = large_exposure_breaches(load_exposures(path), capital)
    return "\n".join(f"{b.counterparty}: {b.amount} ({b.excess} over)" for b in breaches) or "no breaches"
