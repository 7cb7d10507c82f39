"""``manage.py check_restore FILE``: does the restored server at DATABASE_URL have what the mark says."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator.flows.models import EvidenceLog, Flow, FlowEvent
from orchestrator.ops.backups.comparison import RestoreComparisonError, compare_with_mark
from orchestrator.ops.backups.restore_marks import RestoreMarkError, read_mark
from providers.models import ProviderCall

# What people ask for first.
_TOLD = {"flows": Flow, "events": FlowEvent, "calls of models": ProviderCall, "seals": EvidenceLog}


class Command(BaseCommand):
    """Compare a restored server with a mark; exits with 1 where they differ."""

    help = "Compare the restored server at DATABASE_URL with a mark of mark_restore_point."
    # Only the restored server is asked; the checks are about the service.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The mark."""
        parser.add_argument("file", type=Path, help="what mark_restore_point has written")

    def handle(self, *_: Any, **options: Any) -> None:
        """Say what differs, or what is the same."""
        try:
            mark = read_mark(options["file"].read_text(encoding="utf-8"))
            differences = compare_with_mark(mark)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except (RestoreMarkError, RestoreComparisonError) as error:
            raise CommandError(f"{error.message}\n{error.cure}") from error
        for one in differences:
            self.stdout.write(str(one))
        if differences:
            raise CommandError(f"{len(differences)} tables are not as they were at {mark.at.isoformat()}.")
        by_table = {name.partition(".")[2]: found for name, found in mark.tables.items()}
        told = ", ".join(
            f"{by_table[model._meta.db_table].rows} {name}"
            for name, model in _TOLD.items()
            if model._meta.db_table in by_table
        )
        rows = sum(one.rows for one in mark.tables.values())
        self.stdout.write(f"{told}: the same as at {mark.at.isoformat()}")
        self.stdout.write(f"{rows} rows of {len(mark.tables)} tables, all the same")
