"""The one door to raw SQL: what PostgreSQL is sent, read off the wire, and what happens when it is away."""

import contextlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from orchestrator.core import database
from orchestrator.core.sql import SqlStatement
from orchestrator.flows import engine
from providers import limiter
from tests.databases import url_of_test_database

_MESSAGE_FROM_CLIENT = re.compile(r"^\S+ \S+\tF\t\d+\t(\w+)(.*)$", re.MULTILINE)
ONE_PREPARED_STATEMENT = ["Bind", "Describe", "Execute", "Sync"]


class Undo(Exception):
    """Rolls a transaction back."""


def trace_messages(work: Callable[[], object]) -> list[tuple[str, str]]:
    """The messages that libpq sends to the server during ``work``: each with its kind and its text."""
    connection.ensure_connection()
    wire = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as trace:
        wire.trace(trace.fileno())
        try:
            work()
        finally:
            wire.untrace()
        trace.seek(0)
        return _MESSAGE_FROM_CLIENT.findall(trace.read())


def kinds(messages: list[tuple[str, str]]) -> list[str]:
    """The kinds of messages, in order."""
    return [kind for kind, _ in messages]


def use_engine() -> None:
    """One statement of the engine."""
    assert engine.list_routes("task_none") == []


def use_limiter() -> None:
    """One statement of the limiter."""
    assert limiter.find_denial("openai", tokens=1) is None


@pytest.mark.django_db
def test_engine_and_limiter_alternate_without_a_statement_between_them():
    use_engine()
    use_limiter()

    def alternate() -> None:
        for _ in range(3):
            use_engine()
            use_limiter()

    assert kinds(trace_messages(alternate)) == ONE_PREPARED_STATEMENT * 6


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_the_session_options_in_force():
    def fail() -> None:
        with contextlib.suppress(Undo), transaction.atomic():
            use_engine()
            use_limiter()
            raise Undo

    fail()
    raw = connection.connection

    def use_both() -> None:
        use_engine()
        use_limiter()

    again = trace_messages(use_both)
    assert connection.connection is raw
    assert not [text for _, text in again if "SET" in text]
    assert kinds(trace_messages(use_both)) == ONE_PREPARED_STATEMENT * 2
    assert database.fetch_row("SHOW plan_cache_mode").plan_cache_mode == "force_generic_plan"
    assert raw.prepare_threshold == 0


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_pool_gives_again_has_the_options():
    for _ in range(5):
        assert database.fetch_row("SHOW plan_cache_mode").plan_cache_mode == "force_generic_plan"
        assert connection.connection.prepare_threshold == 0
        database.release_connection()
        assert connection.connection is None


@pytest.mark.django_db
def test_rows_have_the_names_of_their_columns():
    two = database.fetch_rows("SELECT n, n * n AS square FROM generate_series(1, %(last)s) n", {"last": 2})
    assert [(row.n, row.square) for row in two] == [(1, 1), (2, 4)]
    assert database.fetch_row("SELECT %s::int AS n", [3]).n == 3


@pytest.mark.django_db
def test_a_row_that_must_exist_is_an_error_where_it_does_not():
    assert database.find_row("SELECT 1 AS n WHERE false") is None
    with pytest.raises(DatabaseError, match="returned no row: SELECT 1"):
        database.fetch_row("SELECT 1 AS n WHERE false")


@pytest.mark.django_db
def test_errors_are_those_of_django():
    with pytest.raises(IntegrityError), transaction.atomic():
        database.fetch_rows("INSERT INTO repos (repo_name) VALUES (NULL)")


def test_whole_numbers_are_written_as_an_array():
    assert database.format_array([1, 2, -3]) == "{1,2,-3}"
    assert database.format_array([]) == "{}"


@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_is_refused():
    database.refuse_open_transaction("No transaction here.")
    with transaction.atomic(), pytest.raises(RuntimeError, match="Not now"):
        database.refuse_open_transaction("Not now.")


@pytest.mark.django_db
def test_the_transaction_around_a_test_is_not_refused():
    assert database.in_transaction()
    database.refuse_open_transaction("Only the test has one.")


@pytest.mark.django_db
def test_a_connection_in_a_transaction_is_kept():
    connection.ensure_connection()
    held = connection.connection
    database.release_connection()
    assert connection.connection is held


@pytest.mark.django_db(transaction=True)
def test_work_is_run_again_on_a_new_connection_while_the_database_is_away():
    sessions = []

    def work() -> int:
        sessions.append(database.fetch_row("SELECT pg_backend_pid() AS pid").pid)
        if len(sessions) == 1:
            database.fetch_row("SELECT pg_terminate_backend(pg_backend_pid())")
        return sessions[-1]

    assert database.retry_while_away(work) == sessions[1]
    assert len(set(sessions)) == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["time is up", "in a transaction"])
def test_work_is_not_run_again(where):
    tries = []

    def work() -> None:
        tries.append(1)
        raise OperationalError("away")

    inside = transaction.atomic() if where == "in a transaction" else contextlib.nullcontext()
    seconds = 0.0 if where == "time is up" else 60.0
    with pytest.raises(OperationalError), inside:
        database.retry_while_away(work, seconds=seconds)
    assert len(tries) == 1


@pytest.mark.django_db(transaction=True)
def test_long_work_holds_no_connection_and_has_a_working_one_afterwards():
    before = database.fetch_row("SELECT pg_backend_pid() AS pid").pid
    with database.without_connection():
        assert connection.connection is None
        # A restart of the server ends the sessions that wait in the pool, too.
        with psycopg.connect(url_of_test_database()) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    assert database.fetch_row("SELECT pg_backend_pid() AS pid").pid != before
    # The tests that follow must not meet the broken ones that the pool still has.
    connection.close()
    connection.close_pool()


def _sleep_too_long() -> None:
    with transaction.atomic():
        # Local, so that the session goes back to the pool as it was.
        database.fetch_rows("SET LOCAL statement_timeout = 1")
        database.fetch_rows("SELECT pg_sleep(5)")


@pytest.mark.django_db(transaction=True)
def test_only_a_lost_connection_counts_as_away():
    with pytest.raises(OperationalError) as lost:
        database.fetch_row("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()
    with pytest.raises(OperationalError) as slow:
        _sleep_too_long()
    with pytest.raises(DatabaseError) as wrong:
        database.fetch_rows("SELECT 1 / 0")
    assert [database.is_away(found.value) for found in (lost, slow, wrong)] == [True, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_lock_and_what_is_done_under_it_are_one_round_trip_and_one_transaction():
    fill = SqlStatement(
        "fill", "", "INSERT INTO repos (repo_name) VALUES (%(name)s) RETURNING repo_name", Path()
    )
    database.fetch_locked_rows("some lock", fill, {"name": "first"})
    messages = kinds(
        trace_messages(lambda: database.fetch_locked_rows("some lock", fill, {"name": "second"}))
    )
    assert messages.count("Execute") == 2
    assert messages.count("Sync") == 1
    held = "SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    assert database.fetch_row(held).held == 0
    with pytest.raises(IntegrityError):
        database.fetch_locked_rows("some lock", fill, {"name": "second"})
    assert database.fetch_row(held).held == 0
    # Inside a transaction the lock is kept until that ends.
    with transaction.atomic():
        (row,) = database.fetch_locked_rows("some lock", fill, {"name": "third"})
        assert (row.repo_name, database.fetch_row(held).held) == ("third", 1)
    assert database.fetch_row(held).held == 0
