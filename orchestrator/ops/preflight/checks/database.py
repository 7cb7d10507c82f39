"""PostgreSQL: how many connections it takes, its replicas, and whether its log is archived."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.ops.observability import health_metrics, part_health
from orchestrator.ops.preflight.check_protocol import PHASES, ChecklistLine, LineAnswer, ask, judge

LEAST_CONNECTIONS: Final = 200
LEAST_OVERFLOW: Final = 50
LEAST_REPLICAS: Final = 2
MOST_LAG_SECONDS: Final = 60.0
_SQL = load_statements(__file__)


class DatabaseCheck:
    """Asks the server itself."""

    section = "Database (PostgreSQL)"
    phases = PHASES
    lines = (
        ChecklistLine("connection-pool", "Connection pool increased to 200 (from pilot: 100)"),
        ChecklistLine("max-overflow", "Max overflow: 50 connections"),
        ChecklistLine("backups", "Backup retention: 30 days (point-in-time recovery enabled)"),
        ChecklistLine("read-replicas", "Read replicas: 2 (for analytics queries)"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """Connections, overflow, archive and replicas."""
        # What clients can have: without those that the server keeps for superusers.
        bound = health_metrics.read_connections().bound
        yield judge(
            "connection-pool",
            bound >= LEAST_CONNECTIONS,
            f"the server takes {bound} connections",
            f"Set max_connections so that {LEAST_CONNECTIONS} are left for clients, and restart the server.",
        )
        # More than asked does not endanger the server, whose own bound is the line above.
        overflow = settings.DB_MAX_OVERFLOW
        yield judge(
            "max-overflow",
            overflow >= LEAST_OVERFLOW,
            f"DB_MAX_OVERFLOW is {overflow}",
            f"Set DB_MAX_OVERFLOW={LEAST_OVERFLOW}.",
        )
        yield self._look_at_archive()
        yield self._look_at_replicas()

    def _look_at_archive(self) -> LineAnswer:
        found = database.fetch_row(_SQL["read_archiving"])
        if found.mode == "off":
            return judge(
                "backups",
                False,
                "archive_mode is off: no point in time can be restored",
                "Set archive_mode=on with an archive_command, restart the server, take a base backup.",
            )
        # Where nothing was ever archived, or the newest attempt failed, the log only seems to be kept.
        if not found.works:
            return judge(
                "backups",
                False,
                "archive_mode is on, and the newest attempt to archive failed or there was none",
                "Read the server's log for the answer of archive_command, and repair it.",
            )
        # Archiving shows that a point in time can be restored, not from how long ago.
        return ask(
            "backups",
            f"the log is archived, last {found.archived_at:%Y-%m-%d %H:%M} UTC; the backups' age is not seen",
            "Look at the backup system: base backups and log of the last 30 days are there.",
        )

    def _look_at_replicas(self) -> LineAnswer:
        replicas = part_health.read_replicas()
        # A replica that is hours behind answers analytics with the numbers of yesterday.
        good = [
            one for one in replicas if one.lag_seconds is not None and one.lag_seconds <= MOST_LAG_SECONDS
        ]
        return judge(
            "read-replicas",
            len(good) >= LEAST_REPLICAS,
            f"{len(good)} of {len(replicas)} replicas answer and are at most {MOST_LAG_SECONDS:.0f} s behind",
            "Name two replicas in DATABASE_REPLICA_URLS; /status/ shows how far each is behind.",
        )


CHECK = DatabaseCheck()
