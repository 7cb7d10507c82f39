"""``manage.py create_token NAME --repo R`` (or ``--operator``): prints the secret once, alone on its line."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from orchestrator.repos import tokens
from orchestrator.repos.models import Repo
from orchestrator.repos.scopes import EVERYTHING, list_possible_scopes

LONGEST_DAYS = 3650


class Command(BaseCommand):
    """Make an API token."""

    help = "Make an API token and print its secret, which cannot be read again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The name of the token and the repo that it is bound to."""
        parser.add_argument("name", help="what the token is for, as shown in the admin and in the history")
        # Named, and not what remains when a repo was forgotten: an operator's token reaches everything.
        reach = parser.add_mutually_exclusive_group(required=True)
        reach.add_argument("--repo", help="bind the token to this repo")
        reach.add_argument(
            "--operator", action="store_true", help="reach every repo and the settings of the organisation"
        )
        parser.add_argument(
            "--scope",
            action="append",
            choices=list_possible_scopes(of_operator=True),
            help="what the token may do, once for each scope; without it, everything within its reach",
        )
        parser.add_argument("--days", type=int, help="how long it lives; without it, until it is revoked")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Make the token; print the secret."""
        repo = None
        if options["repo"]:
            repo = Repo.objects.filter(name=options["repo"]).first()
            if repo is None:
                raise CommandError(
                    f"No repo is registered as {options['repo']!r}; "
                    "register it first: manage.py register_repo."
                )
        scopes = options["scope"] or [EVERYTHING]
        beyond = set(scopes) - {EVERYTHING, *list_possible_scopes(of_operator=repo is None)}
        if beyond:
            raise CommandError(f"The token of a repo cannot have {', '.join(sorted(beyond))}.")
        days = options["days"]
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days takes 1 to {LONGEST_DAYS}.")
        expires_at = None if days is None else timezone.now() + timedelta(days=days)
        _, secret = tokens.create_token(options["name"], repo, scopes=scopes, expires_at=expires_at)
        # Nothing else on this line: scripts take the output as the secret.
        self.stdout.write(secret)
