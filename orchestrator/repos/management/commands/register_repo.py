"""``manage.py register_repo NAME``: a repo without the form; does nothing where it is there already."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from orchestrator.repos.models import Phase
from orchestrator.repos.registration import OnboardingPaused, register_repo


class Command(BaseCommand):
    """Register a repo."""

    help = "Register a repo; registering it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name, domain, team lead, clone URL, phase."""
        parser.add_argument("name", help="as flows, tokens and the CLI will call it")
        parser.add_argument("--domain", default="", help="the business domain, for the dashboards")
        parser.add_argument(
            "--team-lead", default="", help="the address of the person who decides for the repo"
        )
        parser.add_argument(
            "--clone-url", default="", help="https://host/owner/repo.git, for flows that bring no files."
        )
        parser.add_argument(
            "--phase", choices=Phase.values, help="how far its rollout is; pilot for PILOT_REPOS"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Register; say what happened."""
        try:
            repo, new = register_repo(
                options["name"],
                domain=options["domain"],
                team_lead=options["team_lead"],
                clone_url=options["clone_url"],
                phase=options["phase"],
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except OnboardingPaused as error:
            raise CommandError(f"{error.message} {error.cure}") from error
        self.stdout.write(f"{repo.name}: {'registered' if new else 'was registered already'} ({repo.phase})")
