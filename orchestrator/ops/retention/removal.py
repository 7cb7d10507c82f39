"""Removes what is due, in batches that hold up nobody: some flows at a time, each batch a transaction.

Bytes are stored once for all that have the same. A flow that begins in the middle may bring bytes that are
about to go: it finds them stored, and its reference would name nothing. So bytes go under a lock of their
table that waits for every transaction which has looked there, and is held for one small batch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError, transaction

from orchestrator.core import database
from orchestrator.core.sql import SqlStatement, load_statements

RUN_SECONDS: Final = 60.0
"""How long one run takes at most; the next one continues where it ended."""
_FLOWS: Final = 100
# With their bytes, whose table is locked meanwhile.
_FLOWS_WITH_FILES: Final = 25
_LOCK_MILLISECONDS: Final = 300
_LOCK_NOT_AVAILABLE: Final = "55P03"
_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Removed:
    """What a run has removed; ``byte_count`` is that of stored files."""

    kind: str
    flows: int
    rows: int
    byte_count: int = 0


@dataclass(frozen=True, slots=True)
class RetentionKind:
    """Something that is removed ``days()`` days after its flow has ended; 0 keeps it for good."""

    name: str
    setting: str
    run_batch: Callable[[int], Removed]

    def days(self) -> int:
        """The value of its setting."""
        return int(getattr(settings, self.setting))

    def is_due(self) -> bool:
        """Whether a flow ended before that."""
        if self.days() == 0:
            return False
        found = database.find_row(_SQL["find_next"], {"kind": self.name, "days": self.days()})
        return found is not None


def remove_due(*, seconds: float = RUN_SECONDS) -> list[Removed]:
    """Remove what is due, for up to ``seconds``; what each kind has lost."""
    end = time.monotonic() + seconds
    return [_remove_kind(kind, end) for kind in KINDS]


def is_anything_due() -> bool:
    """Whether a run would find something."""
    return any(kind.is_due() for kind in KINDS)


def _remove_kind(kind: RetentionKind, end: float) -> Removed:
    total = Removed(kind.name, 0, 0)
    while kind.is_due() and time.monotonic() < end:
        try:
            batch = kind.run_batch(kind.days())
        except OperationalError as error:
            # Others are busy there: the next run has its turn.
            if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            break
        total = Removed(
            kind.name,
            total.flows + batch.flows,
            total.rows + batch.rows,
            total.byte_count + batch.byte_count,
        )
    return total


def _remove_events(days: int) -> Removed:
    return _remove_rows("events", _SQL["remove_events"], days)


def _remove_answers(days: int) -> Removed:
    return _remove_rows("answers", _SQL["remove_answers"], days)


def _remove_rows(name: str, statement: SqlStatement, days: int) -> Removed:
    with transaction.atomic():
        _limit_waits()
        row = database.fetch_row(statement, {"days": days, "flows": _FLOWS})
    return Removed(name, row.flows, row.rows)


def _remove_files(days: int) -> Removed:
    with transaction.atomic():
        _limit_waits()
        # Flows before bytes, as everywhere.
        row = database.fetch_row(_SQL["remove_files"], {"days": days, "flows": _FLOWS_WITH_FILES})
        sizes: list[Any] = []
        if row.freed:
            database.fetch_rows("LOCK TABLE flows_blob IN SHARE ROW EXCLUSIVE MODE")
            sizes = database.fetch_rows(_SQL["remove_bytes"], {"freed": row.freed})
    return Removed("files", row.flows, row.rows, sum(one.size for one in sizes))


def _limit_waits() -> None:
    database.fetch_rows(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")


KINDS: Final = (
    RetentionKind("events", "EVENTS_KEPT_DAYS", _remove_events),
    RetentionKind("answers", "ANSWERS_KEPT_DAYS", _remove_answers),
    RetentionKind("files", "WORKING_FILES_KEPT_DAYS", _remove_files),
)
