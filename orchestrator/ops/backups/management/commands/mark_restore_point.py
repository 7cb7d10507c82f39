"""``manage.py mark_restore_point FILE``: the instant that a restore drill restores."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orchestrator.ops.backups.restore_marks import RestoreMarkError, mark_instant


class Command(BaseCommand):
    """Mark an instant of the running system."""

    help = (
        "Mark the present instant for a restore drill: its time, its restore point, a digest of each table."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the mark goes, and what the restore point is called."""
        parser.add_argument("file", type=Path, help="the file to write; check_restore reads it")
        parser.add_argument("--name", help="of the restore point; drill-<date>-<time> without it")

    def handle(self, *_: Any, **options: Any) -> None:
        """Write the file, and say what to restore."""
        file: Path = options["file"]
        name = options["name"] or f"drill-{timezone.now():%Y%m%d-%H%M%S}"
        # PostgreSQL's own limit, in MAXFNAMELEN.
        if len(name) > 63:
            raise CommandError("--name has at most 63 characters.")
        if file.exists():
            raise CommandError(f"{file} exists; name another file.")
        try:
            mark = mark_instant(name)
        except RestoreMarkError as error:
            raise CommandError(f"{error.message}\n{error.cure}") from error
        file.write_text(mark.write_json(), encoding="utf-8")
        rows = sum(one.rows for one in mark.tables.values())
        self.stdout.write(f"recovery_target_time = '{mark.at.isoformat(sep=' ')}'")
        if mark.name:
            self.stdout.write(f"recovery_target_name = '{mark.name}'  (the same instant)")
        self.stdout.write(
            f"{rows} rows of {len(mark.tables)} tables in {file}; writers waited {mark.held_milliseconds} ms"
        )
