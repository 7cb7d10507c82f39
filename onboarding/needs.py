"""Requests that wait for a yes, for the home of the admin."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from onboarding.models import OnboardingRequest, OnboardingStatus
from orchestrator.ops.attention.need import MOST, Need, NeedSource, Urgency
from orchestrator.ops.dashboards.numbers import format_duration


def _list_approvals(now: datetime) -> Iterator[Need]:
    waiting = OnboardingRequest.objects.filter(status=OnboardingStatus.CHECKING, decided_at=None).order_by(
        "created_at"
    )
    for one in waiting[:MOST]:
        age = format_duration((now - one.created_at).total_seconds())
        href = f"{reverse('admin:onboarding_onboardingrequest_changelist')}?status__exact=checking"
        yield Need(Urgency.TODAY, f"{one.repo_name} asks to be onboarded", f"for {age}", href)


APPROVALS = NeedSource("onboarding.view_onboardingrequest", _list_approvals)
