"""``manage.py local_access REPO ...``: what a person needs on a machine of their own, printed as JSON."""

import secrets
from argparse import ArgumentParser
from json import dumps
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand

from orchestrator.repos import registration, tokens

USER, ADDRESS = "admin", "admin@localhost"


class Command(BaseCommand):
    """Register repos, make an admin and an operator's token."""

    help = (
        "Register the repos and print user, password and token for local use. "
        "The password is new at each call."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The repos to register."""
        parser.add_argument("--migrate", action="store_true", help="bring the database up to date first")
        parser.add_argument(
            "repos", nargs="*", help="names of repos; those already registered stay as they are"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Make what is missing; print it."""
        if options["migrate"]:  # here, because a process of its own would import everything once more
            call_command("migrate", verbosity=0)
        for name in options["repos"]:
            registration.register_repo(name)
        password = secrets.token_urlsafe(12)
        user, _ = get_user_model().objects.get_or_create(
            username=USER, defaults={"is_staff": True, "is_superuser": True}
        )
        # Who asks for a repo needs one: their lead has to be another person.
        user.email = user.email or ADDRESS
        # A new password at each call, because the stored hash of the earlier one cannot be printed.
        user.set_password(password)
        user.save()
        _, token = tokens.create_token("local use")
        self.stdout.write(dumps({"user": USER, "password": password, "token": token}))
