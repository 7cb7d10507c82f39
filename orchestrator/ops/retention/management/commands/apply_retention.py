"""``manage.py apply_retention``: remove what ended flows have left behind and what is due."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from orchestrator.ops.retention import removal


class Command(BaseCommand):
    """Remove what is due now; the dispatcher does the same every ten minutes."""

    help = "Remove events, answers and working files of flows that ended long ago, as the settings say."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How long."""
        parser.add_argument(
            "--seconds", type=float, default=3600.0, help="how long it may take; 3600 without it"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a line for each kind."""
        found = {one.kind: one for one in removal.remove_due(seconds=options["seconds"])}
        for kind in removal.KINDS:
            done = found[kind.name]
            if kind.days() == 0:
                self.stdout.write(f"{kind.name}: kept for good ({kind.setting}=0)")
                continue
            more = ", more is due" if kind.is_due() else ""
            size = f", {done.byte_count / 1e6:.1f} MB of stored files" if done.byte_count else ""
            words = f"{done.rows} rows of {done.flows} flows that ended over {kind.days()} days ago"
            self.stdout.write(f"{kind.name}: {words}{size}{more}")
