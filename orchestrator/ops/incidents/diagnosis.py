"""What the playbook's triage asks: which flows fail, and what they have in common.

A *pattern* is a value of a dimension (a repo, a family, a model, a stage, an error code, a deploy) that holds
a large share of the failures. How sure it is, is the chance that it is not an accident:

- Where flows of other values ended too, Fisher's exact test compares how often they failed with how often
  those of this value did. A repo with many flows has many failures, and yet may fail no more often than
  the others.
- Of the stage and the error code only failures have one, so the share itself is tested: the chance that at
  least so many of them share it although in truth half of them do.

Many values are tried, and one of a hundred looks bad by accident. So the chance of an accident is multiplied
by the number of the values (Bonferroni).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.models import Flow
from orchestrator.ops.incidents.models import Incident

MOST_FLOWS: Final = 5000
MOST_SHOWN: Final = 20
MINIMUM_FAILED: Final = 5
MINIMUM_ENDED: Final = 10
SURE: Final = 0.95
LEAST_SHARE: Final = 0.5
BEFORE: Final = timedelta(hours=1)
"""An alert looks back over an hour: what it fired for happened before it fired."""
STATEMENT_SECONDS: Final = 5.0
_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """A value that failures have in common.

    ``failed`` of the window's failures have it, which is ``share`` of them; ``ended`` flows with it ended,
    None where only failures have one. ``confidence`` is from 0 to 1.
    """

    dimension: str
    value: str
    failed: int
    ended: int | None
    share: float
    confidence: float


@dataclass(frozen=True, slots=True)
class FailedFlow:
    """One flow that failed, as ``blocks status flows --failed`` lists it."""

    flow: str
    repo: str
    error_code: str
    error_message: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the failures of a window have in common: ``verdict`` in words, ``patterns`` the surest first.

    ``enough`` is False where too few flows ended to say anything; there are no patterns then.
    """

    since: datetime
    until: datetime
    failed: int
    ended: int
    enough: bool
    verdict: str
    patterns: tuple[FailurePattern, ...]
    flows: tuple[FailedFlow, ...]


def diagnose_incident(incident: Incident) -> Diagnosis:
    """Diagnose the time of an incident: from an hour before it was detected until its end, or now."""
    return diagnose(incident.detected_at - BEFORE, incident.resolved_at or timezone.now())


def diagnose(since: datetime, until: datetime) -> Diagnosis:
    """Diagnose the flows that ended in a window; raises ``OperationalError`` where that takes too long."""
    parameters = {"since": since, "until": until, "most": MOST_FLOWS}
    with database.limit_statements(STATEMENT_SECONDS):
        rows = database.fetch_rows(_SQL["count_by_dimension"], parameters)
    # The row without a dimension counts each flow once; a flow that called two models is in two others.
    (whole,) = [row for row in rows if not row.dimension]
    failed, ended = int(whole.failed), int(whole.ended)
    enough = failed >= MINIMUM_FAILED and ended >= MINIMUM_ENDED
    patterns = _find_patterns(rows, failed, ended) if enough else ()
    verdict = _say_verdict(failed, ended, patterns, enough=enough)
    return Diagnosis(since, until, failed, ended, enough, verdict, patterns, _list_failed(since, until))


def _find_patterns(rows: Iterable[Any], failed: int, ended: int) -> tuple[FailurePattern, ...]:
    # Values without a failure explain none, and would only make every other one less sure.
    candidates = [row for row in rows if row.dimension and row.failed]
    found = []
    for row in candidates:
        share = int(row.failed) / failed
        # A value that every flow has explains nothing, because there is none without it.
        if share < LEAST_SHARE or row.ended == ended:
            continue
        if row.ended is None:
            accident = find_binomial_tail(int(row.failed), failed)
        else:
            accident = find_fisher_tail(int(row.failed), int(row.ended), failed, ended)
        confidence = max(0.0, 1.0 - accident * len(candidates))
        number = None if row.ended is None else int(row.ended)
        found.append(
            FailurePattern(
                row.dimension, row.value or "none", int(row.failed), number, share, round(confidence, 4)
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.confidence, -one.share, one.dimension)))


def find_fisher_tail(hits: int, drawn: int, marked: int, whole: int) -> float:
    """The chance of at least ``hits`` marked ones among ``drawn`` of ``whole``, of which ``marked`` are.

    The upper tail of the hypergeometric distribution: Fisher's exact test, one-sided.
    """
    ways = math.comb(whole, drawn)
    most = min(drawn, marked)
    tail = sum(
        math.comb(marked, count) * math.comb(whole - marked, drawn - count) for count in range(hits, most + 1)
    )
    # Both are whole numbers of thousands of digits, whose quotient is exact enough; floats would overflow.
    return tail / ways


def find_binomial_tail(hits: int, tries: int) -> float:
    """The chance of at least ``hits`` heads in ``tries`` throws of a coin."""
    tail = sum(math.comb(tries, count) for count in range(hits, tries + 1))
    return float(tail / 2**tries)


def _say_verdict(failed: int, ended: int, patterns: tuple[FailurePattern, ...], *, enough: bool) -> str:
    if not enough:
        return (
            f"Not enough data: {failed} of {ended} flows failed; a pattern takes at least "
            f"{MINIMUM_FAILED} failures among {MINIMUM_ENDED} flows."
        )
    sure = [one for one in patterns if one.confidence >= SURE]
    rate = f"{failed} of {ended} flows failed ({failed / ended:.0%})"
    if not sure:
        return f"{rate}. No pattern: the failures are spread over repos, families, models and stages."
    named = "; ".join(
        f"{one.dimension} {one.value}, {one.share:.0%} of the failures (confidence {one.confidence:.0%})"
        for one in sure
    )
    return f"{rate}. Pattern: {named}."


def _list_failed(since: datetime, until: datetime) -> tuple[FailedFlow, ...]:
    rows = Flow.objects.filter(status="failed", finished_at__gt=since, finished_at__lte=until)
    newest = rows.select_related("repo").order_by("-finished_at")[:MOST_SHOWN]
    return tuple(
        FailedFlow(flow.pk, flow.repo.name, flow.error_code, flow.error_message[:500], flow.finished_at)
        for flow in newest
    )
