"""Whether the server at ``DATABASE_URL`` has exactly the rows of a mark."""

from dataclasses import dataclass
from typing import Final

from django.db import transaction

from orchestrator.core import database
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.ops.backups.restore_marks import (
    RestoreMark,
    TableDigest,
    digest_tables,
    list_tables,
    read_server,
)

_MAJOR: Final = 10_000


class RestoreComparisonError(OrchestratorError):
    """The server cannot be compared with the mark."""

    code = "backups:comparison"
    fixed_by = FixedBy.OPERATOR


@dataclass(frozen=True, slots=True)
class TableDifference:
    """A table that is not as it was; None where it is missing on that side."""

    table: str
    marked: TableDigest | None
    restored: TableDigest | None

    def __str__(self) -> str:
        if self.restored is None:
            return f"{self.table} is missing"
        if self.marked is None:
            return f"{self.table} was not there at the instant"
        if self.marked.rows != self.restored.rows:
            return f"{self.table} has {self.restored.rows} rows, {self.marked.rows} at the instant"
        return f"{self.table} has {self.restored.rows} rows, and some of them are not the same"


def compare_with_mark(mark: RestoreMark) -> list[TableDifference]:
    """Every table that is not as the mark says, by name; raises ``RestoreComparisonError``.

    The server must be another run than the marked one: a mark always fits the server that it was taken of,
    as long as nobody writes there, and that says nothing about a backup.
    """
    server = read_server()
    if server.started_at == mark.started_at:
        raise RestoreComparisonError(
            "DATABASE_URL leads to the server that was marked, not to a restored one.",
            cure="Point DATABASE_URL at the restored server: DATABASE_URL=... manage.py check_restore FILE",
        )
    if server.version // _MAJOR != mark.server_version // _MAJOR:
        raise RestoreComparisonError(
            f"The mark is of PostgreSQL {mark.server_version // _MAJOR}, and the server is "
            f"{server.version // _MAJOR}: a hash of one is not that of the other.",
            cure="Restore with the version that the primary has.",
        )
    with transaction.atomic():
        # One snapshot for all tables.
        database.fetch_rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        there = list_tables()
        restored = digest_tables(there)
    differences = []
    for table in sorted({*mark.tables, *restored}):
        marked, now = mark.tables.get(table), restored.get(table)
        if marked != now:
            differences.append(TableDifference(table, marked, now))
    return differences
