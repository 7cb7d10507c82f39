"""One statement, one round trip: prepared statements on Django's own connection, and what to do when it breaks.

Django's cursors bind parameters in the client, so that nothing is ever prepared; the limiter's functions are called
thousands of times, so they go to the server's own cursor on the same connection, inside whatever transaction is open.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import psycopg
from django.db import Error, InterfaceError, OperationalError, connection

T = TypeVar("T")

_PREPARE_AFTER: Final = (
    5  # Django switches preparing off for the connection; client-side cursors do not look at this.
)


def row(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    """The one row that ``sql`` answers; raises ``django.db.Error`` like any other query."""
    connection.ensure_connection()
    raw = connection.connection
    with connection.wrap_database_errors:
        raw.prepare_threshold = _PREPARE_AFTER
        with psycopg.Cursor(raw) as cursor:
            answered = cursor.execute(sql, parameters, prepare=True).fetchone()
    if answered is None:
        raise Error(f"no row from {sql}")
    return tuple(answered)


def array(values: Iterable[int]) -> str:
    """Whole numbers as PostgreSQL writes an array: psycopg adapts a list number by number, which costs as much as a statement."""
    return f"{{{','.join(map(str, values))}}}"


def in_transaction() -> bool:
    """Whether the caller has a transaction open, which would hold the limiter's locks for as long as it lasts."""
    return connection.in_atomic_block


def refuse_transaction() -> None:
    """Raise ``RuntimeError`` inside a transaction of the caller's, as Django does for durable blocks: not for that of a test."""
    blocks = connection.atomic_blocks
    if blocks and not blocks[-1]._from_testcase:  # type: ignore[attr-defined]  # as Django asks it itself
        raise RuntimeError(
            "A model is not called inside a transaction: its locks would be held for as long as the call takes."
        )


def let_go() -> None:
    """Give the connection back to the pool while the thread waits for something else."""
    if not connection.in_atomic_block:
        connection.close()


def persistently(work: Callable[[], T], *, seconds: float) -> T:
    """``work()``, tried again on a new connection while the database is away, for up to ``seconds``.

    ``work`` must be idempotent: the answer to a commit may be what was lost.
    """
    deadline, pause = time.monotonic() + seconds, 0.05
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() + pause > deadline:
                raise
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
