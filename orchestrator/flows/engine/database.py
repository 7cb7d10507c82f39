"""One statement, prepared, on the connection that Django holds.

Django binds parameters in the client and prepares nothing. The statements here run some hundred times a second, so they go
to psycopg directly: planned once per connection, at its first use. Inside ``transaction.atomic`` they belong to its transaction.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection
from psycopg import Connection, Cursor
from psycopg.rows import namedtuple_row

T = TypeVar("T")
PREPARE_AT_ONCE = 0
# The server would plan each statement five times before it tries a plan for any parameters; planning costs as much as running.
PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"
PATIENCE_SECONDS = 20.0


def rows(sql: str, params: Mapping[str, Any]) -> list[Any]:
    """The rows that ``sql`` returns, as named tuples. Errors are Django's."""
    connection.ensure_connection()
    raw: Connection[Any] | None = connection.connection
    assert raw is not None  # noqa: S101 - ensure_connection has just opened it
    with connection.wrap_database_errors, Cursor(raw, row_factory=namedtuple_row) as cursor:
        if raw.prepare_threshold != PREPARE_AT_ONCE:
            cursor.execute(PLAN_ONCE, prepare=False)
            raw.prepare_threshold = PREPARE_AT_ONCE
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else []


def now() -> datetime:
    """The time by the database's clock: the one that decides when a wait is over. That of a worker may be wrong."""
    at: datetime = rows("SELECT clock_timestamp() AS at", {})[0].at
    return at


def outlasting(work: Callable[[], T]) -> T:
    """Do ``work``, again if the connection breaks: only for work that may safely run twice.

    A broken connection is given back and a new one asked for, with growing pauses, for ``PATIENCE_SECONDS``: long enough
    for a restart of the server. Inside a transaction nothing is tried again.
    """
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.05
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            connection.close()
        time.sleep(pause)
        pause = min(pause * 2, 1.0)
