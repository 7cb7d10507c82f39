"""The rules of the rollout: how many repos begin in a day, whose turn it is, and what stops all of them.

A repo counts for the day on which its provisioning began, in UTC. What has begun is finished in any
case: half a repo helps nobody.
"""

from collections import Counter
from datetime import date, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from onboarding import engine
from onboarding.models import OnboardingRequest, OnboardingStatus
from orchestrator.core import database
from orchestrator.repos.models import OnboardingPause

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('onboarding: whose turn', 0))"
# Nobody plans for longer; it also ends the search where no repo may begin at all.
_HORIZON: Final = timedelta(days=365)


def begin_due_requests(today: date | None = None) -> list[int]:
    """Let those begin whose turn it is, and tell the others their day; the ids of those that began."""
    day = today or timezone.now().date()
    with transaction.atomic():
        # One at a time counts and begins, so no two see the same free place.
        database.fetch_rows(_LOCK)
        begun = [] if find_hold() else _begin(day)
        _plan(day)
    return begun


def find_hold() -> str:
    """What keeps queued requests from beginning, in a sentence; empty where nothing does."""
    pause = OnboardingPause.objects.first()
    if pause is not None:
        return f"Onboarding is paused: {pause.reason}"
    return ""


def _begin(day: date) -> list[int]:
    free = settings.ONBOARDING_MAX_PER_DAY - OnboardingRequest.objects.filter(provisioned_on=day).count()
    begun: list[int] = []
    for request in _list_line():
        if len(begun) >= free:
            break
        is_early = request.wanted_on is not None and request.wanted_on > day
        if not is_early and engine.begin_provisioning(request.pk, day):
            begun.append(request.pk)
    return begun


def _list_line() -> list[OnboardingRequest]:
    """Those that wait, in their order."""
    return list(OnboardingRequest.objects.filter(status=OnboardingStatus.QUEUED).order_by("queued_at", "id"))


def _plan(today: date) -> None:
    """Give each that waits the first day with room."""
    taken = _count_begun(today)
    for request in _list_line():
        day = _find_day(max(today, request.wanted_on or today), taken)
        if day is not None:
            taken[day] += 1
        if request.planned_for != day:
            engine.plan_request(request, day)


def _count_begun(today: date) -> Counter[date]:
    begun = OnboardingRequest.objects.filter(provisioned_on__gte=today)
    return Counter(row.provisioned_on for row in begun if row.provisioned_on is not None)


def _find_day(first: date, taken: Counter[date]) -> date | None:
    day = first
    while taken[day] >= settings.ONBOARDING_MAX_PER_DAY:
        day += timedelta(days=1)
        if day > first + _HORIZON:
            return None
    return day
