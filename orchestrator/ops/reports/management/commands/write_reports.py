"""``manage.py write_reports``: write what is due, or the reports of past days; compare those there are."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.dashboards.reader import read_today
from orchestrator.ops.reports import archive
from orchestrator.ops.reports.report_kind import REPORT_KINDS, ReportKind


class Command(BaseCommand):
    """The reports that are kept."""

    help = "Write the reports that are due, or those of past days; compare what was written with the rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--from`` and ``--to`` name the last days of the periods; ``--compare`` writes nothing."""
        parser.add_argument("--from", dest="first", type=date.fromisoformat, help="a day: 2026-11-01")
        parser.add_argument(
            "--to", dest="last", type=date.fromisoformat, help="a day; the first one without it"
        )
        parser.add_argument("--kind", choices=REPORT_KINDS.names(), help="one kind; all without it")
        parser.add_argument(
            "--compare", action="store_true", help="make each written report again and show what differs"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Write or compare, and say how many."""
        first, last = options["first"], options["last"] or options["first"]
        if first is None and (last is not None or options["compare"]):
            raise CommandError("Name the first day with --from.")
        if first is None:
            # Without an end: the person who types the command waits, unlike the worker of the schedule.
            self.stdout.write(f"{archive.write_due_reports(seconds=float('inf'))} reports written")
            return
        # A day that is not over would be kept for good with half of its flows.
        if last >= read_today():
            raise CommandError("A report is written when its last day is over in UTC.")
        names = [options["kind"]] if options["kind"] else REPORT_KINDS.names()
        periods = [pair for name in names for pair in _list_periods(REPORT_KINDS.get(name), first, last)]
        if options["compare"]:
            self._compare(periods)
        else:
            written = [archive.write_report(kind, period) for kind, period in periods]
            self.stdout.write(f"{len(written) - written.count(None)} reports written")

    def _compare(self, periods: list[tuple[ReportKind, Period]]) -> None:
        different = 0
        reports = [archive.find_report(kind.name, period) for kind, period in periods]
        for report in filter(None, reports):
            found = archive.compare_report(report)
            different += bool(found)
            for one in found:
                self.stdout.write(f"{report}: {one.place} was {one.then!r}, is {one.now!r}")
        compared = len(reports) - reports.count(None)
        self.stdout.write(f"{compared} reports compared, {different} differ")
        if different:
            # A code other than 0, so that a job that compares reports fails where one differs.
            raise CommandError("Not every report can be made again with the same result.")


def _list_periods(kind: ReportKind, first: date, last: date) -> Iterator[tuple[ReportKind, Period]]:
    """The periods of ``kind`` that end on one of the days."""
    for number in range((last - first).days + 1):
        period = kind.find_period(first + timedelta(days=number))
        if period is not None:
            yield kind, period
