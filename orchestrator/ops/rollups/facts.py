"""The five facts of a day, each with its table and the statement that counts it from the rows themselves.

A fact is read in one of two ways. ``days`` stores what the statement counts of one day. A reader wants all
days: ``compose_reading`` gives the table's rows and, in the same statement, what is newer than the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.core.sql import SqlStatement, load_statements
from orchestrator.ops.rollups import models
from providers.error_policy import ERROR_POLICIES
from providers.limiter import Health

_SQL = load_statements(__file__)

SECOND_BOUNDS: Final = (
    *(5, 10, 20, 30, 45, 60, 90, 120, 150, 180, 240, 300, 600, 1200, 3600),
    # A flow that waits for a quota may take hours.
    *(7200, 14400, 43200),
)
"""Seconds. 120 and 150 are the runbook's limits: a quantile is exact only at the bound of a bucket."""
USD_BOUNDS: Final = ("0.05", "0.1", "0.25", "0.5", "1", "1.5", "2", "3", "5", "10")
"""USD, as text, because a float would change the label; 2 is the runbook's limit."""
OUTAGES: Final = (
    *sorted(kind.code for kind, policy in ERROR_POLICIES.items() if policy.health is Health.FAILED),
    # The call never came back, and its worker is gone.
    "provider:lease-expired",
)
"""Error codes of calls that the provider did not answer."""
OUTCOMES: Final = ("created", "passed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is counted by day."""

    model: type[models.DailyCount]
    statement: SqlStatement

    @property
    def table(self) -> str:
        """The table of its days."""
        return self.model._meta.db_table

    @property
    def columns(self) -> str:
        """The columns of table and statement, without the key of the table."""
        fields = self.model._meta.concrete_fields
        return ", ".join(field.column for field in fields if not field.primary_key and field.column)


FLOWS: Final = Fact(models.FlowDay, _SQL["count_flows"])
SPREAD: Final = Fact(models.SpreadDay, _SQL["spread_flows"])
CALLS: Final = Fact(models.CallDay, _SQL["count_calls"])
GATES: Final = Fact(models.GateDay, _SQL["count_gates"])
STARTERS: Final = Fact(models.StarterDay, _SQL["count_starters"])
FACTS: Final = (FLOWS, SPREAD, CALLS, GATES, STARTERS)


def build_parameters(**bounds: Any) -> dict[str, Any]:
    """Parameters of a fact's statement; ``since`` and ``until`` are moments, and None without them."""
    constants: Mapping[str, Any] = {
        "second_bounds": list(SECOND_BOUNDS),
        "usd_bounds": list(USD_BOUNDS),
        "outages": list(OUTAGES),
    }
    return {"since": None, "until": None, **constants, **bounds}


def compose_reading(fact: Fact, *, is_cut: bool = False) -> str:
    """A subquery with the fact of every day: stored, and counted now where it is newer than the tables.

    A pair of day and labels may come twice, so a reader adds up. Its parameters are ``build_parameters()``.
    With ``is_cut`` there is nothing before the moment ``cut``: the rest of its day, up to ``cut_end``, is
    counted now, because the tables have only the whole day.
    """
    columns = fact.columns
    every_day = (
        f"SELECT {columns} FROM {fact.table} "  # noqa: S608 - names of our own models
        f"UNION ALL SELECT {columns} FROM ({fact.statement.sql}) AS newer"
    )
    if not is_cut:
        return f"({every_day}) AS facts"
    rest = fact.statement.sql.replace("%(since)s", "%(cut)s").replace("%(until)s", "%(cut_end)s")
    return (
        f"(SELECT {columns} FROM ({every_day}) AS every_day "  # noqa: S608 - names of our own models
        "WHERE day >= (%(cut_end)s::timestamptz AT TIME ZONE 'UTC')::date "
        f"UNION ALL SELECT {columns} FROM ({rest}) AS rest) AS facts"
    )
