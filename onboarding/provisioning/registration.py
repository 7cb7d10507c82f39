"""The repo is known to the orchestrator, in its phase."""

from datetime import timedelta
from typing import Final

from django.core.exceptions import ValidationError
from django.utils import timezone

from onboarding.step_protocol import Passed, ProvisioningStep, Refused, StepAnswer, StepContext, Waiting
from orchestrator.repos.models import Repo
from orchestrator.repos.registration import OnboardingPaused, register_repo

_LOOK_AGAIN: Final = timedelta(minutes=1)


class Registration:
    """Registers the repo; one that is there already is taken as it is."""

    name = "registration"
    title = "The repo is registered"

    def run(self, context: StepContext) -> StepAnswer:
        """Register the repo."""
        request = context.request
        try:
            repo, _ = register_repo(
                request.repo_name,
                domain=request.block_family,
                team_lead=request.team_lead,
                clone_url=request.clone_url,
                phase=request.phase,
            )
        except ValidationError as error:
            return Refused(" ".join(error.messages), "Cancel this request, and ask again with other values.")
        except OnboardingPaused as error:
            # A rollback began after this request did: it continues when people bring the others back.
            return Waiting(error.message, timezone.now() + _LOOK_AGAIN)
        return Passed({"repo": repo.name})

    def undo(self, context: StepContext) -> StepAnswer:
        """Switch the repo off. Its flows and its evidence stay, so the row does."""
        Repo.objects.filter(name=context.request.repo_name).update(enabled=False)
        return Passed({})


STEP: ProvisioningStep = Registration()
