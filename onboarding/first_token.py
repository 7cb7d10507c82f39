"""The first token of a repo, for its team: made when somebody of it asks to see it, and shown that once.

Nothing is stored that could be shown again: the row of the token has a digest, as every other.
"""

from typing import Any

from django.db import transaction

from onboarding import visibility
from onboarding.engine import rows
from onboarding.models import OnboardingEvent, OnboardingRequest, OnboardingStatus
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos import tokens
from orchestrator.repos.scopes import REPO_SCOPES

SHOWN = "token_shown"
"""The kind of the event that says who has seen it."""


class TokenNotShown(OrchestratorError):
    """The token is not shown."""

    code = "onboarding:token-not-shown"
    cure = "Make another one: `blocks token create NAME`, or ask an SRE for one."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


def find_showing(request: OnboardingRequest) -> OnboardingEvent | None:
    """When and to whom the token was shown; None where it was not yet."""
    return request.events.filter(kind=SHOWN).first()


def reveal_token(request: OnboardingRequest, person: Any) -> str:
    """A new token of the repo, for the first of the team who asks. Raises ``TokenNotShown``."""
    if not visibility.is_of_team(person, request):
        raise TokenNotShown("The token is for the person who asked, and for the team lead.")
    with transaction.atomic():
        # Locked: of two presses at the same moment, the second sees that it was shown.
        locked = rows.lock_request(request.pk)
        if locked.status != OnboardingStatus.READY or locked.repo is None:
            raise TokenNotShown(f"{locked.reference} is {locked.get_status_display()}.")
        shown = find_showing(locked)
        if shown is not None:
            raise TokenNotShown(f"The token was shown to {shown.actor} already.")
        actor = person.get_username()
        # Every scope of a repo: with it the team makes narrower ones for its jobs.
        _, secret = tokens.create_token(
            f"first token of {locked.repo_name}", locked.repo, scopes=REPO_SCOPES, created_by=actor
        )
        rows.record_event(locked, SHOWN, actor)
    return secret
