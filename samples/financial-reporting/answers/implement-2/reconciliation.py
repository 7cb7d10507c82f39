"""Bank reconciliation: which entries of the ledger and of the bank's statement are the same movement.

Amounts are ``Decimal`` in one currency, money in positive and money out negative. Two entries can match when their
amounts differ by at most ``tolerance`` and their dates by at most ``window_days``; of all possible pairs the closest
are taken first, so the result does not depend on luck.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

MAX_WINDOW_DAYS = 31
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Entry:
    """One movement: ``amount`` in the currency of the account, ``day`` as booked."""

    id: str
    day: date
    amount: Decimal


@dataclass(frozen=True)
class Match:
    """A pair; ``difference`` is statement minus ledger, ``days_apart`` how much later the bank booked (or earlier, < 0)."""

    ledger_id: str
    statement_id: str
    difference: Decimal
    days_apart: int


@dataclass(frozen=True)
class Reconciliation:
    """Matches in the order of the ledger, what stays open on each side, and the total of the statement minus the ledger's."""

    matches: tuple[Match, ...]
    unmatched_ledger: tuple[str, ...]
    unmatched_statement: tuple[str, ...]
    difference: Decimal
    balanced: bool


def reconcile(
    ledger: Sequence[Mapping[str, object]],
    statement: Sequence[Mapping[str, object]],
    tolerance: Decimal = Decimal("0.00"),
    window_days: int = 3,
) -> Reconciliation:
    """Match entries ``{"id": str, "date": ISO date, "amount": decimal text}`` of both sides one to one.

    ``balanced`` means that nothing is open and the totals agree to the cent. Raises ``ValueError`` for a repeated id on
    one side, an amount with more than two places, a negative tolerance and a window outside 0..31 days.
    """
    if tolerance < 0:
        raise ValueError("tolerance: must not be negative")
    if not 0 <= window_days <= MAX_WINDOW_DAYS:
        raise ValueError(f"window_days: must be 0 to {MAX_WINDOW_DAYS}")
    ours, theirs = _entries("ledger", ledger), _entries("statement", statement)
    pairs = _closest_pairs(ours, theirs, tolerance, window_days)
    matches = tuple(_match(ours[left], theirs[right]) for left, right in sorted(pairs.items()))
    taken = set(pairs.values())
    open_ours = tuple(entry.id for index, entry in enumerate(ours) if index not in pairs)
    open_theirs = tuple(entry.id for index, entry in enumerate(theirs) if index not in taken)
    difference = sum((entry.amount for entry in theirs), Decimal(0)) - sum((entry.amount for entry in ours), Decimal(0))
    return Reconciliation(
        matches=matches,
        unmatched_ledger=open_ours,
        unmatched_statement=open_theirs,
        difference=difference.quantize(_CENT, rounding=ROUND_HALF_EVEN),
        balanced=not open_ours and not open_theirs and difference == 0,
    )


def _entries(side: str, rows: Sequence[Mapping[str, object]]) -> list[Entry]:
    entries: list[Entry] = []
    seen: set[str] = set()
    for row in rows:
        entry = Entry(str(row["id"]), date.fromisoformat(str(row["date"])), Decimal(str(row["amount"])))
        if entry.id in seen:
            raise ValueError(f"{side}: id {entry.id!r} is repeated")
        if entry.amount != entry.amount.quantize(_CENT, rounding=ROUND_HALF_EVEN):
            raise ValueError(f"{side}: amount of {entry.id!r} has more than two places")
        seen.add(entry.id)
        entries.append(entry)
    return entries


def _closest_pairs(ours: list[Entry], theirs: list[Entry], tolerance: Decimal, window_days: int) -> dict[int, int]:
    candidates: list[tuple[Decimal, int, int, int]] = []
    for left, mine in enumerate(ours):
        for right, other in enumerate(theirs):
            gap, days = abs(other.amount - mine.amount), abs((other.day - mine.day).days)
            if gap <= tolerance and days <= window_days:
                candidates.append((gap, days, left, right))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _gap, _days, left, right in sorted(candidates):
        if left not in pairs and right not in taken:
            pairs[left] = right
            taken.add(right)
    return pairs


def _match(mine: Entry, other: Entry) -> Match:
    difference = (other.amount - mine.amount).quantize(_CENT, rounding=ROUND_HALF_EVEN)
    return Match(mine.id, other.id, difference, (other.day - mine.day).days)
