"""`manage.py audit_evidence`: does the log still hold, and the store what the log says."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator.flows.evidence import audit, store


class Command(BaseCommand):
    """Walks the evidence log of one repo or of all; names the first break of each and exits with 1 where
    there is one.
    """

    help = "Walk the evidence log and the evidence store; name the first break."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One repo, or all."""
        parser.add_argument("--repo", help="Only this repo.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print a line for each repo."""
        keep, broken = store.current_store(), 0
        for repo in [options["repo"]] if options["repo"] else audit.list_repos():
            found = audit.audit_repo(repo, keep)
            if found.found is None:
                aside = f", {found.undelivered} of them sealed and not delivered" if found.undelivered else ""
                self.stdout.write(f"{repo}: {found.entries} entries hold{aside}")
            else:
                broken += 1
                place = f"entry {found.found.sequence}" if found.found.sequence else "log"
                self.stdout.write(f"{repo}: BROKEN at {place} ({found.found.flow}): {found.found.what}")
        if broken:
            raise CommandError(
                f"{broken} logs are broken. Keep everything as it is, and treat it as an incident."
            )
