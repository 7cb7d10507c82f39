"""Reports that are kept: written once for a period that is over, sent to those who subscribed, compared.

A period may be written when its last day was counted two hours after it ended, so that calls and retries
that ended late are in it. Two workers write the same report: the constraint lets one of them, and it alone
sends.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction

from blocks.format import canonical
from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.roi import RoiAssumptions
from orchestrator.ops.notifications.models import Subscription
from orchestrator.ops.reports import sending
from orchestrator.ops.reports.building import build_report
from orchestrator.ops.reports.document import ReportDocument
from orchestrator.ops.reports.models import Report
from orchestrator.ops.reports.report_kind import REPORT_KINDS, ReportKind

MOST_MISSED: Final = 31
"""How many days back the schedule looks for a report that nobody wrote, such as while the system was down."""
_RUN_SECONDS: Final = 60.0
_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class DueReport:
    """A report that the schedule has to write."""

    kind: str
    period: Period
    repo: str


@dataclass(frozen=True, slots=True)
class ReportDifference:
    """What a report says otherwise when it is made again: where, then and now."""

    place: str
    then: Any
    now: Any


def find_report(kind: str, period: Period, repo: str = "") -> Report | None:
    """The report that was written for ``period``."""
    return Report.objects.filter(kind=kind, repo=repo, first=period.first, last=period.last).first()


def write_report(kind: ReportKind, period: Period, repo: str = "") -> Report | None:
    """Write the report of ``period`` and the messages about it; None where it was written before."""
    document = build_report(kind, period, repo)
    content = document.to_json()
    # Before the transaction, which would otherwise stay open while the figures are read.
    report = Report(
        kind=kind.name,
        repo=repo,
        first=period.first,
        last=period.last,
        content=content,
        digest=compute_digest(content),
    )
    with transaction.atomic():
        try:
            # Within: a refused row would end the transaction around it.
            with transaction.atomic():
                report.save(force_insert=True)
        except IntegrityError:
            return None
        sending.tell_subscribers(report)
    return report


def compute_digest(content: dict[str, Any]) -> str:
    """SHA-256 of the content of a report, in hexadecimal."""
    # Canonical, because jsonb keeps neither the order of keys nor white space.
    return canonical.sha256(canonical.dump_json(content))


def list_due() -> Iterator[DueReport]:
    """What can be written and was not, the oldest first, by kind."""
    counted = database.find_row(_SQL["find_counted_day"])
    if counted is None:
        return
    newest: date = counted.day
    for name in REPORT_KINDS.names():
        kind = REPORT_KINDS.get(name)
        for repo in _list_scopes(kind):
            yield from _list_missing(kind, repo, newest)


def _list_scopes(kind: ReportKind) -> list[str]:
    """All repos together, and each repo for which somebody wants this kind."""
    if not kind.for_one_repo:
        return [""]
    # Nobody reads the report of a repo without a subscriber, and anybody can have it made again.
    wished = Subscription.objects.filter(is_active=True, repo__isnull=False, topics__contains=[kind.topic])
    return ["", *sorted(set(wished.values_list("repo__name", flat=True)))]


def _list_missing(kind: ReportKind, repo: str, newest: date) -> Iterator[DueReport]:
    written = Report.objects.filter(kind=kind.name, repo=repo).order_by("-last").values("last").first()
    # The oldest first, so that a run that is out of time has sent the days in their order.
    days = [newest - timedelta(days=back) for back in reversed(range(MOST_MISSED))]
    periods = [period for period in map(kind.find_period, days) if period is not None]
    # Where none was written yet, the past is not made up for: only the newest is sent.
    due = periods[-1:] if written is None else [one for one in periods if one.last > written["last"]]
    for period in due:
        yield DueReport(kind.name, period, repo)


def write_due_reports(*, seconds: float = _RUN_SECONDS) -> int:
    """Write what is due, for up to ``seconds``; return how many reports were written."""
    deadline, written = time.monotonic() + seconds, 0
    # Listed to the end first: a generator would look at the rows that this loop adds.
    for due in list(list_due()):
        if time.monotonic() >= deadline:
            break
        written += write_report(REPORT_KINDS.get(due.kind), due.period, due.repo) is not None
    return written


def compare_report(report: Report) -> list[ReportDifference]:
    """What is different when ``report`` is made again with its own assumptions; empty where nothing is."""
    stored = ReportDocument.from_json(report.content)
    again = build_report(
        REPORT_KINDS.get(report.kind),
        Period(report.first, report.last),
        report.repo,
        # Not those of now: hours and rates change, and the report was made with the original ones.
        RoiAssumptions.parse({one.setting: one.value for one in stored.assumptions}),
    )
    return list(_find_differences("", report.content, again.to_json()))


def _find_differences(place: str, then: Any, now: Any) -> Iterator[ReportDifference]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in sorted(then.keys() | now.keys()):
            yield from _find_differences(f"{place}/{name}", then.get(name), now.get(name))
    # Lists of two lengths differ as wholes: from the first gap on, every place would differ.
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (old, new) in enumerate(zip(then, now, strict=True)):
            yield from _find_differences(f"{place}/{number}", old, new)
    elif then != now:
        yield ReportDifference(place, then, now)
