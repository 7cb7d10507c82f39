"""Marks: one instant, and a digest of every table as it was then.

A restore that stops at the instant has exactly the rows of the mark, although others write meanwhile:

1. Every table is locked against writers. Who was writing has committed by then, before the instant.
2. The instant is read, a restore point is written into the log, and the transaction takes its snapshot.
3. The locks go. They were held for some milliseconds; who waited commits after the instant.
4. The digests are computed from the snapshot, for as long as that takes. They hold up nobody.
5. One more commit follows, and the segment of the log ends: PostgreSQL refuses to stop at an instant after
   which it finds no commit, and an archive gets whole segments only.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import OperationalError, transaction

from orchestrator.core import database
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.core.sql import load_statements

_SQL = load_statements(__file__)
# Long transactions are few and short here, so the first tries succeed. The last are longer than
# deadlock_timeout, after which autovacuum gives way to a lock.
_LOCK_MILLISECONDS: Final = (300, 300, 500, 500, 1500, 1500)
_PAUSE_SECONDS: Final = 0.5
# Longer than any of the few statements in between; a client that hangs must not hold writers.
_HELD_MILLISECONDS: Final = 5000
_LOCK_NOT_AVAILABLE: Final = "55P03"
_DIGEST: Final = (
    "SELECT count(*) AS rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS first, "
    "coalesce(sum(hashtextextended(t::text, 1)::numeric), 0) AS second FROM the_table t"
)
_FORMAT: Final = 1
_FILE_CURE: Final = "Name the file that `manage.py mark_restore_point FILE` has written."


class RestoreMarkError(OrchestratorError):
    """The mark of an instant cannot be made or read."""

    code = "backups:mark"
    fixed_by = FixedBy.OPERATOR


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows a table has, and the sum of two 64-bit hashes of each, which no order changes."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class RestoreMark:
    """An instant, and every table as it was then.

    ``name`` is the restore point in the server's log; empty where the role may not write one. ``position`` is
    the log's at the instant. ``started_at`` is when the marked server started.
    """

    name: str
    at: datetime
    position: str
    server_version: int
    started_at: datetime
    held_milliseconds: int
    tables: dict[str, TableDigest]

    def write_json(self) -> str:
        """The mark as JSON, which ``read_mark`` reads."""
        values = asdict(self) | {"format": _FORMAT}
        values |= {"at": self.at.isoformat(), "started_at": self.started_at.isoformat()}
        return json.dumps(values, indent=1) + "\n"


def read_mark(text: str) -> RestoreMark:
    """Read what ``write_json`` has written; raises ``RestoreMarkError``."""
    try:
        values = json.loads(text)
        known = values.pop("format") == _FORMAT
        values["at"] = datetime.fromisoformat(values["at"])
        values["started_at"] = datetime.fromisoformat(values["started_at"])
        found = values.pop("tables")
        tables = {name: TableDigest(int(one["rows"]), str(one["digest"])) for name, one in found.items()}
        mark = RestoreMark(**values, tables=tables)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RestoreMarkError(
            f"The file is not a mark ({type(error).__name__}: {error}).",
            cure=_FILE_CURE,
        ) from error
    if not known or not tables:
        # Without tables, every server would be the same as the mark.
        raise RestoreMarkError("The file is a mark of another version, or of nothing.", cure=_FILE_CURE)
    return mark


def mark_instant(name: str) -> RestoreMark:
    """Choose the present instant, and digest every table as it is now.

    ``name`` is that of the restore point. Raises ``RestoreMarkError`` on a replica, and where some
    transaction keeps a table locked for longer than writers may be held up.
    """
    server = read_server()
    if server.in_recovery:
        raise RestoreMarkError(
            "DATABASE_URL leads to a replica.", cure="Point DATABASE_URL at the primary, and mark again."
        )
    # Before the transaction, whose first look at a table takes its snapshot.
    tables = list_tables()
    with transaction.atomic():
        database.fetch_rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found, held = _lock_and_look(tables, name if server.may_name else "")
        digests = digest_tables(tables)
    _end_segment(may_switch=server.may_switch)
    return RestoreMark(
        name=name if server.may_name else "",
        at=found.at,
        position=found.position,
        server_version=server.version,
        started_at=server.started_at,
        held_milliseconds=held,
        tables=digests,
    )


def list_tables() -> list[str]:
    """Every table of the database with rows of its own, as SQL names it."""
    return [row.name for row in database.fetch_rows(_SQL["list_tables"])]


def read_server() -> Any:
    """What the row ``read_server`` says of the server that answers."""
    return database.fetch_row(_SQL["read_server"])


def digest_tables(tables: Sequence[str]) -> dict[str, TableDigest]:
    """The digest of each of ``tables``, as the open transaction sees it."""
    database.fetch_rows(_SQL["fix_texts"])
    return {table: _digest_table(table) for table in tables}


def _digest_table(table: str) -> TableDigest:
    # Sums of hashes need no order, so nothing is sorted and nothing is kept in memory.
    # The name is the server's own, quoted by it.
    row = database.fetch_row(_DIGEST.replace("the_table", table))
    return TableDigest(row.rows, f"{row.first}:{row.second}")


def _lock_and_look(tables: Sequence[str], name: str) -> tuple[Any, int]:
    """The instant and the log's position at it, and how long writers were held up, in milliseconds."""
    for milliseconds in _LOCK_MILLISECONDS:
        begun = time.monotonic()
        found = _try_to_lock(tables, name, milliseconds)
        if found is not None:
            return found, round((time.monotonic() - begun) * 1000)
        # The writers that waited behind the lock that was not had go first.
        time.sleep(_PAUSE_SECONDS)
    raise RestoreMarkError(
        "Some transaction keeps a table locked, so no instant could be marked.",
        cure="Find it in pg_stat_activity by its age, wait for it or end it, and mark again.",
    )


def _try_to_lock(tables: Sequence[str], name: str, milliseconds: int) -> Any | None:
    """Lock, look, and let go; None where the locks were not to be had in time."""
    # Rolling back to it frees the locks and undoes the time limits. The snapshot is the transaction's.
    writers = transaction.savepoint()
    try:
        database.fetch_rows(f"SET LOCAL lock_timeout = {milliseconds}")
        database.fetch_rows(f"SET LOCAL idle_in_transaction_session_timeout = {_HELD_MILLISECONDS}")
        database.fetch_rows(f"LOCK TABLE {', '.join(tables)} IN SHARE MODE")
        found = database.fetch_row(_SQL["read_position"])
        if name:
            database.fetch_rows("SELECT pg_create_restore_point(%s)", (name,))
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return None
    finally:
        transaction.savepoint_rollback(writers)
    return found


def _end_segment(*, may_switch: bool) -> None:
    """Commit once more, and let the archive have what the log has so far.

    Two transactions: the commit of one that ends the segment would be in the next.
    """
    # A number of its own makes the commit of a transaction that wrote nothing a record of the log.
    database.fetch_rows("SELECT pg_current_xact_id()")
    if may_switch:
        database.fetch_rows("SELECT pg_switch_wal()")
