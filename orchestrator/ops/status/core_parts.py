"""What all work needs: the database with its tables, and the broker. Each part says ok, or why not.

Asked by ``/ready`` and the status page. The words are public, so they name a kind of error and nothing else.
"""

from collections.abc import Callable

import redis
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from orchestrator.core import database
from orchestrator.core.broker_client import open_broker

_TIMEOUT_SECONDS = 2.0
_NO_CONNECTION = "unreachable: OperationalError"
_PROBE_KEY = "orchestrator:ready"
_READ_STATE = (
    "SELECT pg_is_in_recovery() AS replica, "
    "(SELECT count(*) FROM providers_providerstate) AS providers, "
    "(SELECT count(*) FROM providers_budgetstate) AS budgets, "
    "(SELECT count(*) FROM flows_queueload) AS queues"
)


def _check_database() -> str:
    """Whether statements can be prepared, and the rows read that every call and every queue needs."""
    try:
        with transaction.atomic():
            # A table that somebody holds locked must not hold the probe.
            database.fetch_rows(f"SET LOCAL lock_timeout = {int(_TIMEOUT_SECONDS * 1000)}")
            found = database.fetch_row(_READ_STATE)
    except (DatabaseError, InterfaceError) as error:
        # Only the type: the text may hold an address or a user, and this answer is public.
        return f"unreachable: {type(error).__name__}"
    return "refuses writes: it is a replica" if found.replica else "ok"


def _check_migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        # Reads the table of migrations, so that a new version takes no traffic before its tables are there.
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError) as error:
        return f"unknown: {type(error).__name__}"
    return f"{len(missing)} not applied; run manage.py migrate" if missing else "ok"


def _check_redis() -> str:
    try:
        with open_broker(_TIMEOUT_SECONDS) as client:
            # A replica, a full disk and a full memory answer a ping and refuse to write.
            client.set(_PROBE_KEY, 1, ex=60)
    except redis.ResponseError as error:
        return f"refuses writes: {type(error).__name__}"
    except (redis.RedisError, OSError) as error:
        return f"unreachable: {type(error).__name__}"
    return "ok"


PARTS: dict[str, Callable[[], str]] = {
    "database": _check_database,
    "migrations": _check_migrations,
    "redis": _check_redis,
}


def check_core() -> dict[str, str]:
    """The name of each part, and its state. A database that is away is asked once."""
    states: dict[str, str] = {}
    for name, check in PARTS.items():
        # Each question waits until the pool gives up, ten seconds, and the page is read most in an outage.
        away = name == "migrations" and states["database"] == _NO_CONNECTION
        states[name] = "unknown: the database is away" if away else check()
    return states
