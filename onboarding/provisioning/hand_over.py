"""The end of an onboarding, and the beginning of its undo: what people were given.

The page of the request shows the commands, the sample and, once, the token (``first_token``): a step that
made the token would have to keep its secret until somebody looks.
"""

from django.conf import settings
from django.utils import timezone

from onboarding.code_hosts.base import build_mark
from onboarding.step_protocol import Passed, ProvisioningStep, StepAnswer, StepContext
from orchestrator.core import audit
from orchestrator.repos.models import Token


class HandOver:
    """Says that everything is there."""

    name = "hand_over"
    title = "The repo is handed over"

    def run(self, context: StepContext) -> StepAnswer:
        """The address that the team works with from now on."""
        context.log("Everything is there; the token is shown once, on the page of the request.")
        return Passed({"service_url": settings.PUBLIC_URL})

    def undo(self, context: StepContext) -> StepAnswer:
        """End the token that was shown. Tokens that people have made since are theirs."""
        request = context.request
        with audit.act_as(build_mark(request.reference)):
            # Named as ``first_token`` names it.
            shown = Token.objects.filter(
                repo__name=request.repo_name, name=f"first token of {request.repo_name}", revoked_at=None
            )
            shown.update(revoked_at=timezone.now())
        return Passed({})


STEP: ProvisioningStep = HandOver()
