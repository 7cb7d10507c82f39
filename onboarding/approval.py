"""What an SRE decides on a request. Approving registers the repo, in the same transaction, and only once."""

from django.db import transaction
from django.utils import timezone

from onboarding.models import OnboardingRequest, OnboardingStatus
from orchestrator.core import audit
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic
from orchestrator.repos.registration import register_repo

_TOPICS = {
    OnboardingStatus.APPROVED: Topic.ONBOARDING_APPROVED,
    OnboardingStatus.REJECTED: Topic.ONBOARDING_REJECTED,
}


class AlreadyDecided(OrchestratorError):
    """Somebody else has decided on this request already."""

    code = "onboarding:already-decided"
    cure = "Nothing is left to do."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


def _lock_open_request(request_id: int) -> OnboardingRequest:
    # Locked: of two who decide at the same moment, the second sees what the first decided.
    found = OnboardingRequest.objects.select_for_update().get(pk=request_id)
    if found.status != OnboardingStatus.REQUESTED:
        raise AlreadyDecided(f"{found.repo_name} is {found.status} already, by {found.decided_by}.")
    return found


def approve_request(request_id: int, *, actor: str) -> OnboardingRequest:
    """Register the repo that was asked for."""
    # The repo and the decision are written together, or a crash would leave a repo without a decision.
    with transaction.atomic():
        audit.name_actor(actor)
        found = _lock_open_request(request_id)
        # A repo that was registered in the meantime is taken as it is, so approving stays possible.
        found.repo, _ = register_repo(
            found.repo_name, domain=found.domain, team_lead=found.team_lead, clone_url=found.clone_url
        )
        return _decide_request(found, OnboardingStatus.APPROVED, actor)


def reject_request(request_id: int, *, actor: str) -> OnboardingRequest:
    """Say no; the repo may be asked for again."""
    with audit.act_as(actor):
        return _decide_request(_lock_open_request(request_id), OnboardingStatus.REJECTED, actor)


def _decide_request(found: OnboardingRequest, status: OnboardingStatus, actor: str) -> OnboardingRequest:
    found.status, found.decided_by, found.decided_at = status, actor, timezone.now()
    found.save(update_fields=["status", "decided_by", "decided_at", "repo"])
    announce(
        _TOPICS[status],
        {
            "repo": found.repo_name,
            "domain": found.domain,
            "decided_by": actor,
            "title": f"{found.repo_name} is {status}.",
        },
        repo=found.repo,
    )
    return found
