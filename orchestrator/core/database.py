"""The one door to raw SQL: a statement is prepared once per connection and costs one round trip.

Django's cursors bind parameters in the client and prepare nothing. The engine and the limiter run the same
statements a few hundred times a second, so theirs go to psycopg directly, on the connection that Django holds
and inside its transaction.

Both session options that this needs are set when a connection is opened, by ``OPTIONS`` in
``orchestrator.settings``: psycopg's ``prepare_threshold`` and PostgreSQL's ``plan_cache_mode``. No statement
sets them later, so no rollback can undo them, no user of a pooled connection finds those of another, and no
round trip is spent on them.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, TypeVar

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from psycopg import Connection, Cursor
from psycopg.rows import namedtuple_row

from orchestrator.core import statement_traces, tracing
from orchestrator.core.sql import SqlStatement

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Any]
PRIMARY: Final = "default"
_alias: ContextVar[str] = ContextVar("alias", default=PRIMARY)

RETRY_SECONDS: Final = 20.0
"""How long work is tried again by default while the database is away: longer than a restart takes."""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%(lock)s, 0))"
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0


def fetch_rows(statement: SqlStatement | str, parameters: Parameters = ()) -> list[Any]:
    """Run ``statement`` and return its rows as named tuples; an empty list if it returns none.

    A statement of a few lines may be a plain string. Raises ``django.db.Error`` as any other query does.
    """
    sql = statement.sql if isinstance(statement, SqlStatement) else statement
    asked = connections[_alias.get()]
    asked.ensure_connection()
    raw: Connection[Any] | None = asked.connection
    assert raw is not None  # noqa: S101 - ensure_connection has just opened it
    with (
        _open_statement_span(statement),
        asked.wrap_database_errors,
        Cursor(raw, row_factory=namedtuple_row) as cursor,
    ):
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def fetch_locked_rows(lock: str, statement: SqlStatement, parameters: Parameters) -> list[Any]:
    """Return the rows of ``statement``, run while nobody else has the advisory lock called ``lock``.

    Both are sent in one round trip. Where no transaction is open, they are one, and the lock ends with it.
    They are two statements, because one takes its snapshot before it waits, and would not see what was
    written under the lock meanwhile.
    """
    connection.ensure_connection()
    raw: Connection[Any] | None = connection.connection
    assert raw is not None  # noqa: S101 - ensure_connection has just opened it
    with (
        _open_statement_span(statement),
        connection.wrap_database_errors,
        raw.pipeline(),
        Cursor(raw) as waiting,
        Cursor(raw, row_factory=namedtuple_row) as cursor,
    ):
        waiting.execute(_LOCK, {"lock": lock})
        cursor.execute(statement.sql, parameters)
        return cursor.fetchall()


def _open_statement_span(statement: SqlStatement | str) -> tracing.TraceSpan:
    if not tracing.is_on():
        return tracing.NO_SPAN
    if isinstance(statement, SqlStatement):
        return tracing.open_span(statement.name, statement_traces.DATABASE, kind=tracing.CLIENT)
    return statement_traces.open_statement_span(statement)


def fetch_row(statement: SqlStatement | str, parameters: Parameters = ()) -> Any:
    """Return the first row of a statement that always has one; raises ``DatabaseError`` if it has none."""
    row = find_row(statement, parameters)
    if row is None:
        name = statement.name if isinstance(statement, SqlStatement) else statement
        raise DatabaseError(f"The statement returned no row: {name}")
    return row


def find_row(statement: SqlStatement | str, parameters: Parameters = ()) -> Any | None:
    """Return the first row of a statement as a named tuple, ``None`` if it has none."""
    rows = fetch_rows(statement, parameters)
    return rows[0] if rows else None


def read_clock() -> datetime:
    """Return the time by the database's clock.

    It decides when a wait is over; the clock of a worker may be wrong.
    """
    now: datetime = fetch_row("SELECT clock_timestamp() AS now").now
    return now


def format_array(values: Iterable[int]) -> str:
    """Write whole numbers as PostgreSQL's array literal.

    psycopg adapts a list item by item, which takes as long as the statement.
    """
    return f"{{{','.join(map(str, values))}}}"


def in_transaction() -> bool:
    """Return whether the caller has a transaction open; locks taken now are then held until it ends."""
    return connection.in_atomic_block


@contextmanager
def undo_in_transaction() -> Iterator[None]:
    """Inside a transaction: undo what the block does, so that its locks are free again.

    Outside, and inside the one around a test, it does nothing.
    """
    if not _is_in_own_transaction():
        yield
        return
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


def refuse_open_transaction(reason: str) -> None:
    """Raise ``RuntimeError`` with ``reason`` inside a transaction, except inside the one around a test."""
    if _is_in_own_transaction():
        raise RuntimeError(reason)


def _is_in_own_transaction() -> bool:
    blocks = connection.atomic_blocks
    # Django asks the same private question for its durable blocks.
    return bool(blocks) and not blocks[-1]._from_testcase  # type: ignore[attr-defined]


def find_row_elsewhere(name: str, statement: SqlStatement, seconds: int) -> Any | None:
    """Return the first row of ``statement`` on another database of the settings, such as ``replica1``.

    On a connection of its own, and in at most ``seconds`` for each of connecting and asking: the pool would
    wait longer for a server that is away. Raises ``psycopg.Error``.
    """
    found = connections[name].get_connection_params() | {"connect_timeout": seconds}
    limit = f"{found.get('options', '')} -c statement_timeout={seconds * 1000}"
    with Connection.connect(**found | {"options": limit, "row_factory": namedtuple_row}) as other:
        row: Any | None = other.execute(statement.sql).fetchone()
        return row


def current_alias() -> str:
    """The database that this thread reads from: the primary, or a replica inside of ``read_from``."""
    return _alias.get()


@contextmanager
def read_from(name: str) -> Iterator[None]:
    """Send ``fetch_rows`` and the reads of models to the replica ``name``."""
    token = _alias.set(name)
    try:
        yield
    finally:
        _alias.reset(token)
        # Back to its pool.
        connections[name].close()


@contextmanager
def limit_statements(seconds: float) -> Iterator[None]:
    """A transaction in which each statement may take so long: ``OperationalError`` after that.

    ``was_cancelled`` tells that error from others. For reports, which must not hold up what they report on.
    """
    with transaction.atomic(using=_alias.get()):
        # LOCAL: a pooled connection must not keep it.
        fetch_rows(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        yield


def was_cancelled(error: BaseException) -> bool:
    """Whether ``error`` says that a statement took longer than it may."""
    return getattr(error.__cause__, "sqlstate", None) == "57014"


def release_connection() -> None:
    """Give the connection back to the pool, unless a transaction is open on it.

    For a thread that is about to wait for something else.
    """
    if not connection.in_atomic_block:
        connection.close()


def is_away(error: BaseException) -> bool:
    """Whether ``error`` says that the database cannot be reached, and nothing about the statement."""
    state = getattr(error.__cause__, "sqlstate", None)
    # A connection that broke, or that the pool did not get, has no state; 57P01 to 57P03 come from a server
    # that stops or starts.
    gone = state is None or state.startswith("08") or state in {"57P01", "57P02", "57P03"}
    return gone and isinstance(error, (OperationalError, InterfaceError))


@contextmanager
def without_connection(*, seconds: float = 300.0) -> Iterator[None]:
    """Do long work without the database: give the connection back, and have one that works afterwards.

    A connection that is held over minutes breaks when the database restarts, and takes the work with it.
    Afterwards the database is waited for, up to ``seconds``.
    """
    release_connection()
    yield
    # The pool may still hold connections that broke meanwhile; each try throws one away.
    retry_while_away(lambda: fetch_rows("SELECT 1"), seconds=seconds)


def retry_while_away(work: Callable[[], T], *, seconds: float = RETRY_SECONDS) -> T:
    """Return ``work()``, run again on a new connection while the database is away, for up to ``seconds``.

    ``work`` must be safe to run twice: what got lost may be the answer to a commit. Inside a transaction
    nothing is run again, because the first part of it went with the connection.
    """
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() + pause > deadline:
                raise
            connection.close()
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
