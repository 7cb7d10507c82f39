"""The primary, a pooler before it, and each replica. Nothing here waits for longer than some seconds."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError

from orchestrator.core import database, pooler, replicas
from orchestrator.core.sql import load_statements
from orchestrator.ops.doctor.finding import ServerFinding, find_note, find_ok, find_wrong
from orchestrator.ops.observability import health_metrics
from orchestrator.ops.preflight.checks.database import LEAST_CONNECTIONS, LEAST_OVERFLOW
from orchestrator.ops.status import core_parts

POOLS_AT_MOST: Final = LEAST_CONNECTIONS + LEAST_OVERFLOW
"""What all processes of ``deploy/k8s`` may open at once; ``make deploy-check`` adds them up."""
# As the trigger of the rollback: 190 of 200.
_NEARLY_ALL: Final = 0.95
_SECONDS: Final = 3
_SQL = load_statements(__file__)


def examine_postgresql() -> Iterator[ServerFinding]:
    """The primary first: without it nothing can be said of replicas."""
    try:
        primary = _read_server(database.PRIMARY)
    except psycopg.Error as error:
        cure = "Look whether the server runs and lets this process in; DATABASE_URL says where it is."
        yield find_wrong("database", f"does not answer: {type(error).__name__}", cure)
        return
    if primary.is_replica:
        yield find_wrong(
            "database",
            f"PostgreSQL {primary.version} is a replica and takes no writes",
            "Point DATABASE_URL at the primary, or promote this server where its primary is gone for good.",
        )
        return
    yield find_ok("database", f"PostgreSQL {primary.version}, the primary")
    # Before anything else is asked: behind a pooler of the wrong mode the answers below mean little.
    yield _examine_pooler()
    try:
        yield _examine_connections()
        yield _examine_migrations()
    except (DatabaseError, InterfaceError) as error:
        yield find_wrong(
            "database", f"broke off: {type(error).__name__}", "Try again; read the server's log."
        )
    for name in replicas.list_replicas():
        yield _examine_replica(name, primary)


def _read_server(name: str) -> Any:
    return database.find_row_elsewhere(name, _SQL["describe_server"], _SECONDS)


def _examine_pooler() -> ServerFinding:
    try:
        pooler.require_own_sessions()
    except ImproperlyConfigured as error:
        return find_wrong("pooler", str(error), "Do what the message says: nothing starts before.")
    try:
        if pooler.find_pooler():
            return find_ok("pooler", "each connection has a session of its own (pool_mode = session)")
    except psycopg.Error as error:
        return find_wrong("pooler", f"broke off: {type(error).__name__}", "Try again; read the pooler's log.")
    return find_ok("pooler", "none: connections go to the server itself")


def _examine_connections() -> ServerFinding:
    found = health_metrics.read_connections()
    words = f"{found.used} of {found.bound} in use; the processes of deploy/k8s may open {POOLS_AT_MOST}"
    if found.used >= found.bound * _NEARLY_ALL:
        cure = "End what holds them (pg_stat_activity names it), or raise max_connections."
        return find_wrong("connections", words, cure)
    # One machine has few processes, and is well with less.
    if found.bound < POOLS_AT_MOST:
        cure = f"On a cluster, set max_connections so that {POOLS_AT_MOST} are left for clients."
        return find_note("connections", words, cure)
    # Somebody takes connections for whom the sum has no place.
    if found.used > POOLS_AT_MOST:
        cure = "Look in pg_stat_activity who else uses this server."
        return find_note("connections", words, cure)
    return find_ok("connections", words)


def _examine_migrations() -> ServerFinding:
    state = core_parts.PARTS["migrations"]()
    if state == "ok":
        return find_ok("migrations", "all are applied")
    return find_wrong("migrations", state, "Run `python manage.py migrate`.")


def _examine_replica(name: str, primary: Any) -> ServerFinding:
    try:
        there, lag = _read_server(name), replicas.measure(name, _SECONDS)
    except psycopg.Error as error:
        cure = "Start it, or take its address out of DATABASE_REPLICA_URLS; reports are read elsewhere."
        return find_wrong(name, f"does not answer: {type(error).__name__}", cure)
    if not there.is_replica:
        cure = (
            "It was promoted. Make it a replica again by pg_basebackup or pg_rewind, or take its address out."
        )
        return find_wrong(name, "is a primary: it has a history of its own, and is not read", cure)
    # It would answer quickly, and with the rows of another product or of another year.
    if there.cluster != primary.cluster:
        cure = "Name replicas of the server at DATABASE_URL in DATABASE_REPLICA_URLS."
        return find_wrong(name, "follows another cluster than the one at DATABASE_URL", cure)
    return _judge_replica(name, lag, set(primary.migrations) - set(there.migrations))


def _judge_replica(name: str, state: Any, missing: set[str]) -> ServerFinding:
    bound = settings.REPLICA_MAX_LAG_SECONDS
    words = f"in recovery, {state.lag_seconds:.1f} s behind (read up to {bound} s)"
    if missing:
        words += f", {len(missing)} migrations have not arrived"
    else:
        words += ", with all migrations"
    if state.find_fault():
        cure = "Look whether it receives and replays (pg_stat_wal_receiver there), and what it waits for."
        return find_wrong(name, words, cure)
    # Only for a moment after an upgrade, and reports know the way around it.
    if missing:
        return find_note(name, words, "Wait: what needs them is read on the primary meanwhile.")
    return find_ok(name, words)
