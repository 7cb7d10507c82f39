"""Onboardings as dashboards, reports and the exporter show them: read by SQL, because onboarding is a layer
above this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from orchestrator.core import database
from orchestrator.core.sql import load_statements

_SQL: Final = load_statements(__file__)
UNDER_WAY: Final = ("checking", "queued", "provisioning", "failed")
"""Where a request stands that is not at its end, in the order of its way."""


@dataclass(frozen=True, slots=True)
class ReadySums:
    """Repos that became ready on the day in ``keys``; the seconds that we worked, and that leads took."""

    keys: tuple[date]
    ready: int
    work_seconds: float
    approval_seconds: float


def sum_ready(
    first: date | None = None, last: date | None = None, repos: Sequence[str] | None = None
) -> tuple[ReadySums, ...]:
    """By day from ``first`` to ``last``; None leaves it open, and is all repos."""
    asked = {"first": first, "last": last, "repos": None if repos is None else list(repos)}
    rows = database.fetch_rows(_SQL["sum_onboardings"], asked)
    return tuple(ReadySums((row.day,), row.ready, row.work_seconds, row.approval_seconds) for row in rows)


def count_under_way(repos: Sequence[str] | None = None) -> dict[str, float | None]:
    """Requests that are not at their end now, by where they stand. Zeros, too."""
    asked = {"statuses": list(UNDER_WAY), "repos": None if repos is None else list(repos)}
    # A bar of zero says that nothing failed; a bar that is missing says nothing.
    found = {row.status: row.requests for row in database.fetch_rows(_SQL["count_under_way"], asked)}
    return {status: float(found.get(status, 0)) for status in UNDER_WAY}
