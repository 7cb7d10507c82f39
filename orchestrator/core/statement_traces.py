"""Spans of statements that Django writes: what it does to which table, never with which values."""

import re
from collections.abc import Callable
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from orchestrator.core import tracing

DATABASE: Final[tracing.Attributes] = {"db.system.name": "postgresql"}
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?([a-z_]+)')


def open_statement_span(sql: str) -> tracing.TraceSpan:
    """A span named after the verb and the first table, such as ``SELECT flows_flow``."""
    verb = sql.lstrip("( ").partition(" ")[0].upper()[:20]
    table = _TABLE.search(sql[:4000])
    name = f"{verb} {table[1]}" if table else verb
    attributes = {**DATABASE, "db.operation.name": verb, "db.collection.name": table[1] if table else ""}
    return tracing.open_span(name, attributes, kind=tracing.CLIENT)


def trace_statements(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Django's signal ``connection_created``: trace what is executed on it from now on."""
    # The object outlives its connections to the server.
    if _execute_in_span not in connection.execute_wrappers:
        connection.execute_wrappers.append(_execute_in_span)


def _execute_in_span(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    with open_statement_span(sql):
        return execute(sql, params, many, context)
