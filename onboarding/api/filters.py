"""The filters of requests."""

import django_filters as filters

from onboarding.models import OnboardingRequest, OnboardingStatus
from orchestrator.repos.models import Phase
from orchestrator.rest.filters import StrictFilterSet


class OnboardingFilter(StrictFilterSet):
    """``?status=queued&phase=soak&planned_for=2026-12-09``."""

    # By equality alone, each on a column of the model: the list has a few hundred rows.
    status = filters.ChoiceFilter(choices=OnboardingStatus.choices, help_text="Where it is.")
    phase = filters.ChoiceFilter(choices=Phase.choices, help_text="How far the repo is rolled out.")
    repo_name = filters.CharFilter(help_text="Our short name, exactly.")
    team_lead = filters.CharFilter(help_text="The lead's address, exactly.")
    planned_for = filters.DateFilter(help_text="The day on which its turn comes.")

    class Meta:
        model = OnboardingRequest
        fields = ["status", "phase", "repo_name", "team_lead", "planned_for"]
