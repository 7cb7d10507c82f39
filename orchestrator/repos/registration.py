"""How a repo becomes known to the orchestrator."""

from django.conf import settings
from django.db import IntegrityError, transaction

from orchestrator.repos.models import Phase, Repo


def register_repo(
    name: str, *, domain: str = "", team_lead: str = "", clone_url: str = "", phase: str | None = None
) -> tuple[Repo, bool]:
    """The repo called ``name`` and whether it is new. ``ValidationError`` where a value is not allowed.

    Without a phase, a repo that PILOT_REPOS names is a pilot and any other belongs to the org-wide roll-out.
    """
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
