"""`manage.py signing_key --public`: the key that evidence is signed with, as others may see it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestrator.flows.evidence import keys
from orchestrator.flows.evidence.errors import EvidenceError


class Command(BaseCommand):
    """Prints the id of the signing key, or with --public the public key in PEM. The private one is never
    printed.
    """

    help = "Show the id of the evidence key, or its public key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Id or PEM."""
        parser.add_argument("--public", action="store_true", help="Print the public key in PEM.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print it; a key for local use is made if there is none."""
        try:
            key = keys.current_key()
        except EvidenceError as error:
            raise CommandError(f"{error} {error.cure}") from error
        self.stdout.write(key.public_pem.rstrip() if options["public"] else key.key_id)
