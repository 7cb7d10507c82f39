"""Plans of the statements that the product runs, as PostgreSQL reports them.

The server's ``auto_explain`` sends the plan of each statement when it has run, those inside of functions and
triggers too. So these are the statements that the product sends, with its parameters, and nothing is
written or run again for the test.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakSet

from django.db import connection
from django.db.backends.signals import connection_created

# For new sessions of the database. A message for each statement goes to the client, and none to the log.
_OPTIONS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}


@dataclass(frozen=True, slots=True)
class TableScan:
    """One way in which a plan reads a table; ``rows`` are also those that a filter drops."""

    table: str
    kind: str
    rows: int


@dataclass(frozen=True)
class StatementPlan:
    """A statement that ran, its plan, and what it read."""

    scene: str
    plan: dict[str, Any]
    text: str

    @cached_property
    def name(self) -> str:
        """The name of a statement of a ``.sql`` file, or the text of another."""
        named = re.match(r"/\* (\w+) \*/", self.text)
        return named[1] if named else " ".join(self.text.split())

    @cached_property
    def rows(self) -> int:
        """How many rows it returned, or wrote."""
        return max(int(node["Actual Rows"] * node["Actual Loops"]) for node in self._list_ends())

    @cached_property
    def blocks(self) -> int:
        """How many blocks of 8 kB it looked at."""
        return int(self.plan.get("Shared Hit Blocks", 0) + self.plan.get("Shared Read Blocks", 0))

    @cached_property
    def scans(self) -> list[TableScan]:
        """Each reading of a table."""
        return [
            _read_scan(node)
            for node in self._walk(self.plan)
            if "Relation Name" in node and "Scan" in node["Node Type"]
        ]

    def _list_ends(self) -> Iterator[dict[str, Any]]:
        """The root, and what writes: a statement that only writes returns nothing."""
        yield self.plan
        for node in self._walk(self.plan):
            if node["Node Type"] == "ModifyTable":
                yield node["Plans"][0]

    def _walk(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for below in node.get("Plans", ()):
            yield from self._walk(below)


def _read_scan(node: dict[str, Any]) -> TableScan:
    read = sum(
        node.get(name, 0)
        for name in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    )
    return TableScan(node["Relation Name"], node["Node Type"], int(read * node["Actual Loops"]))


class PlanCollector:
    """Keeps the plans of the statements of this process, by the scene in which they ran.

    Those whose text begins with ``ignored`` are left out.
    """

    def __init__(self, ignored: str) -> None:
        self._ignored = ignored
        self.plans: dict[str, list[StatementPlan]] = defaultdict(list)
        self._scene = ""
        self._heard: WeakSet[Any] = WeakSet()

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Listen on each connection that is opened meanwhile; ``play`` says to whom a plan belongs."""
        # One that is open already would be heard by nobody.
        connection.close()
        connection_created.connect(self._hear)
        try:
            yield
        finally:
            connection_created.disconnect(self._hear)

    @contextmanager
    def play(self, scene: str) -> Iterator[None]:
        """What runs now is ``scene``."""
        self._scene = scene
        try:
            yield
        finally:
            self._scene = ""

    def _hear(self, connection: Any, **_: Any) -> None:
        opened = connection.connection
        # One of a pool comes again and again.
        if opened not in self._heard:
            self._heard.add(opened)
            opened.add_notice_handler(self._keep)

    def _keep(self, notice: Any) -> None:
        _, found, text = (notice.message_primary or "").partition("plan:\n")
        if not found or not self._scene:
            return
        told = json.loads(text)
        if told["Query Text"].startswith(self._ignored):
            return
        self.plans[self._scene].append(StatementPlan(self._scene, told["Plan"], told["Query Text"]))


def report_plans() -> None:
    """Let the server report each statement to the sessions that begin from now on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_database())")
        (name,) = cursor.fetchone()
        for option, value in _OPTIONS.items():
            cursor.execute(f"ALTER DATABASE {name} SET {option} = '{value}'")
    connection.close()
    connection.close_pool()


def find_growing_tables(rows: int) -> frozenset[str]:
    """The tables with at least so many rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples >= %s", [rows])
        return frozenset(name for (name,) in cursor.fetchall())
