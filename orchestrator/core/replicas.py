"""Reads of reports and dashboards go to a replica that is fit, and to the primary where none is.

``read_report(work, seconds)`` runs ``work`` with every read of it on one replica of
``DATABASE_REPLICA_URLS``, in turn. A replica is asked for its lag on the same connection, just before. One
that is further behind than ``REPLICA_MAX_LAG_SECONDS``, does not answer, refuses, breaks in the middle or was
promoted rests for some seconds, and ``work`` is run again on the next one, at last on the primary.

Only what informs people is read here. The engine, quotas, budgets, tokens, triggers and reports that are kept
for good never are: a replica knows the past. Nothing can be written from ``work``: sessions of replicas are
read-only, and the router refuses to write meanwhile.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, ProgrammingError, connections

from orchestrator.core import database
from orchestrator.core.sql import load_statements

T = TypeVar("T")
REST_SECONDS: Final = 10.0
"""How long a replica that was not fit is left alone; what it costs to find out is paid once in that time."""
PREFIX: Final = "replica"
_SQL = load_statements(__file__)
# A migration that has not arrived yet: a table or a column is missing.
_NOT_THERE_YET: Final = frozenset({"42P01", "42703"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What a replica says of itself; ``lag_seconds`` is how far it is behind its primary."""

    is_replica: bool
    lag_seconds: float

    def find_fault(self) -> str:
        """Why nothing should be read there; empty where it is fit."""
        if not self.is_replica:
            # It was promoted: from then on it has another history than the primary.
            return "it is not a replica any more"
        if self.lag_seconds > settings.REPLICA_MAX_LAG_SECONDS:
            return f"it is {self.lag_seconds:.0f} s behind"
        return ""


class ReplicaUnfitError(Exception):
    """A replica is not to be read from now; caught by ``read_report``."""


class ReplicaWriteError(RuntimeError):
    """Something tried to write while a report is read: a fault of the product."""


class ReadRouter:
    """Django's router: models are read where the report is read, and written on the primary only."""

    def db_for_read(self, model: type, **hints: Any) -> str:  # noqa: ARG002 - Django's signature
        """The replica of the report that this thread reads, or the primary."""
        return database.current_alias()

    def db_for_write(self, model: type, **hints: Any) -> str:  # noqa: ARG002 - Django's signature
        """The primary; raises ``ReplicaWriteError`` inside of a report."""
        if database.current_alias() != database.PRIMARY:
            raise ReplicaWriteError(f"{model.__name__} is written while a report is read.")
        return database.PRIMARY

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:  # noqa: ARG002 - as above
        """All of them are the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:  # noqa: ARG002 - as above
        """Replicas get their tables from the primary."""
        return db == database.PRIMARY


class _Rests:
    """Which replicas are left alone, and until when; one for a process."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._reasons: dict[str, str] = {}
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def list_rested(self) -> list[str]:
        """The replicas that may be tried now, another one first each time."""
        names = list_replicas()
        with self._lock:
            first = next(self._turn) % len(names) if names else 0
            now = time.monotonic()
            return [name for name in (*names[first:], *names[:first]) if self._until.get(name, 0.0) <= now]

    def begin(self, name: str, reason: str) -> None:
        """Leave a replica alone for a while."""
        with self._lock:
            self._until[name] = time.monotonic() + REST_SECONDS
            self._reasons[name] = reason

    def describe(self) -> dict[str, str]:
        """Each replica: read, or why it is left alone. Nobody is asked: it is what this process has seen."""
        with self._lock:
            now = time.monotonic()
            resting = {name for name, until in self._until.items() if until > now}
            return {
                name: f"left alone: {self._reasons[name]}" if name in resting else "read"
                for name in list_replicas()
            }

    def end_all(self) -> None:
        """Try every replica again."""
        with self._lock:
            self._until.clear()
            self._reasons.clear()


rests = _Rests()


def list_replicas() -> list[str]:
    """The names of the replicas in the settings, sorted."""
    return sorted(name for name in connections if name.startswith(PREFIX))


def read_state(row: Any) -> ReplicaState:
    """The state in a row of ``measure_replica_lag``."""
    return ReplicaState(row.is_replica, max(0.0, float(row.seconds)))


def measure(name: str, seconds: int) -> ReplicaState | None:
    """Ask a replica in at most ``seconds`` for each step; raises ``psycopg.Error``."""
    row = database.find_row_elsewhere(name, _SQL["measure_replica_lag"], seconds)
    return None if row is None else read_state(row)


def read_report(work: Callable[[], T], seconds: float) -> T:
    """``work()`` on a replica or on the primary, each statement of it in at most ``seconds``.

    ``work`` may run more than once and only reads. Raises ``OperationalError`` for a statement that takes too
    long, without a second try: it would take as long on the primary.
    """
    # A transaction that is open reads what it has written.
    if not database.in_transaction():
        for name in rests.list_rested():
            try:
                return _read_there(name, work, seconds)
            except (OperationalError, InterfaceError, ProgrammingError, ReplicaUnfitError) as error:
                if not _is_the_replicas(error):
                    raise
                reason = _describe(error)
                _log.warning("replica left alone", extra={"replica": name, "reason": reason})
                rests.begin(name, reason)
    with database.limit_statements(seconds):
        return work()


def _read_there(name: str, work: Callable[[], T], seconds: float) -> T:
    with database.read_from(name), database.limit_statements(seconds):
        fault = read_state(database.fetch_row(_SQL["measure_replica_lag"])).find_fault()
        if fault:
            raise ReplicaUnfitError(fault)
        return work()


def _is_the_replicas(error: Exception) -> bool:
    """Whether another server may do better."""
    if isinstance(error, ReplicaUnfitError):
        return True
    if isinstance(error, ProgrammingError):
        return getattr(error.__cause__, "sqlstate", None) in _NOT_THERE_YET
    return not database.was_cancelled(error)


def _describe(error: Exception) -> str:
    # The text of a database error may hold an address.
    return str(error) if isinstance(error, ReplicaUnfitError) else type(error).__name__
