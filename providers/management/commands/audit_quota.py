"""``manage.py audit_quota``: do the limiter's counters equal the ledger?

Exit 0 if they do, 1 with the differences.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers import audit


class Command(BaseCommand):
    help = "Recompute every quota counter from the ledger and name those that differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--repair``."""
        parser.add_argument(
            "--repair", action="store_true", help="then set the counters to what the ledger says"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Raises ``CommandError``, which exits 1, when anything differs."""
        found = audit.find_differences()
        for difference in found:
            self.stdout.write(
                f"{difference.provider or 'budget'} {difference.counter}: "
                f"counted {difference.counted}, the ledger says {difference.ledger}"
            )
        if options["repair"]:
            audit.repair_counters()
            self.stdout.write("The counters are set to what the ledger says.")
        if found:
            raise CommandError(f"{len(found)} counters differ from the ledger.", returncode=1)
        self.stdout.write("Every counter equals the ledger.")
