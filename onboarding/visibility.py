"""Who sees a request and may act on it: who asked, the lead, and SREs. To others it does not exist."""

from typing import Any, Final

from django.db.models import Q, QuerySet

from onboarding.models import OnboardingRequest

# The permission of the SREs' role; viewers do not have it.
_OPERATE: Final = "onboarding.change_onboardingrequest"


def list_visible_requests(user: Any) -> QuerySet[OnboardingRequest]:
    """The requests that ``user`` sees, newest first."""
    rows = OnboardingRequest.objects.select_related("requested_by", "repo")
    if user.has_perm(_OPERATE):
        return rows
    return rows.filter(_is_of(user))


def list_own_requests(user: Any) -> QuerySet[OnboardingRequest]:
    """Those that ``user`` has asked for or is the lead of, newest first."""
    return OnboardingRequest.objects.filter(_is_of(user)).select_related("repo")


def is_of_team(user: Any, request: OnboardingRequest) -> bool:
    """Whether ``user`` has asked for it, or is its lead: who may see the token of the repo."""
    is_lead = bool(user.email) and user.email.lower() == request.team_lead.lower()
    return bool(is_lead or request.requested_by_id == user.pk)


def _is_of(user: Any) -> Q:
    mine = Q(requested_by=user)
    # An account without an address leads no team.
    return mine | Q(team_lead__iexact=user.email) if user.email else mine
