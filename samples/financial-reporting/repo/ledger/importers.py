"""Reads statements as banks export them: semicolons, decimal commas, day first."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

from ledger.model import Posting


def parse_amount(text: str) -> Decimal:
    """``1.234,50`` and ``-3,00``. Raises ``ValueError`` for anything else."""
    try:
        return Decimal(text.strip().replace(".", "").replace(",", "."))
    except InvalidOperation as error:
        raise ValueError(f"not an amount: {text!r}") from error


def parse_statement(text: str) -> list[Posting]:
    """Postings of an export whose columns are id, date, amount and text."""
    postings = []
    for line in text.splitlines()[1:]:
        id_, day, amount, note = line.split(";")
        postings.append(Posting(id_, datetime.strptime(day, "%d.%m.%Y").date(), parse_amount(amount), note))
    return postings
