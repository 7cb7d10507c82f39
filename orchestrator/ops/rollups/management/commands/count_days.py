"""``manage.py count_days``: count what is due now, or past days again."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator.ops.rollups import days


class Command(BaseCommand):
    """The tables of days behind metrics and dashboards."""

    help = "Count the days behind metrics and dashboards: what is due, or past days again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--from`` and ``--to`` name the first and the last day to count again."""
        parser.add_argument("--from", dest="first", type=date.fromisoformat, help="a day: 2026-11-01")
        parser.add_argument(
            "--to", dest="last", type=date.fromisoformat, help="a day; the first one without it"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Count, and say how many days."""
        first, last = options["first"], options["last"]
        if first is None and last is not None:
            raise CommandError("--to needs --from.")
        if first is None:
            counted = days.count_due_days(seconds=float("inf"))
        else:
            counted = days.count_days_again(first, last or first)
        self.stdout.write(f"{counted} days counted")
