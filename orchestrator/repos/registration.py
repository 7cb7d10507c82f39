"""How a repo becomes known to the orchestrator."""

from django.conf import settings
from django.db import IntegrityError, transaction

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.repos.models import OnboardingPause, Phase, Repo


class OnboardingPaused(OrchestratorError):
    """No new repos are taken at present."""

    code = "onboarding:paused"
    cure = "Wait until the rollback is over: `blocks rollback status` shows how it stands."
    fixed_by = FixedBy.OPERATOR
    http_status = 409


def is_onboarding_open() -> bool:
    """Whether repos are taken: not switched off by ONBOARDING_ENABLED, and not paused by a rollback."""
    return bool(settings.ONBOARDING_ENABLED) and not OnboardingPause.objects.exists()


def register_repo(
    name: str, *, domain: str = "", team_lead: str = "", clone_url: str = "", phase: str | None = None
) -> tuple[Repo, bool]:
    """The repo called ``name`` and whether it is new. ``ValidationError`` where a value is not allowed.

    Without a phase, a repo that PILOT_REPOS names is a pilot and any other belongs to the org-wide roll-out.
    Raises ``OnboardingPaused`` while a rollback keeps out what does not belong to the pilot.
    """
    _refuse_while_paused(name)
    # PILOT_REPOS is the operators' list; a person who asks for a repo does not choose its phase.
    default = Phase.PILOT if name in settings.PILOT_REPOS else Phase.ORG
    repo = Repo(name=name, domain=domain, team_lead=team_lead, clone_url=clone_url, phase=phase or default)
    # Uniqueness is left to the database, which also decides between two at the same moment.
    repo.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            repo.save()
    except IntegrityError:
        # Two registrations at once: the unique name decides, and the loser gets the winner's row.
        return Repo.objects.get(name=name), False
    return repo, True


def _refuse_while_paused(name: str) -> None:
    # A repo that is there already is answered with, as always: nothing new is let in by that.
    if name in settings.PILOT_REPOS or Repo.objects.filter(name=name).exists():
        return
    # The oldest reason: it is what people have heard of.
    pause = OnboardingPause.objects.first()
    if pause is not None:
        raise OnboardingPaused(f"{name} is not registered: onboarding is paused ({pause.reason}).")
