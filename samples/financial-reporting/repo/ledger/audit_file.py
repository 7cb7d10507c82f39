"""The audit file: JSON lines that the auditors' importer accepts."""

import json
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from ledger.model import Posting

TWO_PLACES = Decimal("0.01")


def line(posting: Posting) -> str:
    """One line; the importer refuses amounts without exactly two places."""
    amount = posting.amount.quantize(TWO_PLACES, rounding=ROUND_HALF_EVEN)
    return json.dumps({"id": posting.id, "date": posting.day.isoformat(), "amount": str(amount)}, sort_keys=True)


def audit_file(postings: Iterable[Posting]) -> str:
    """All postings by date, then id."""
    return "\n".join(line(posting) for posting in sorted(postings, key=lambda p: (p.day, p.id)))
