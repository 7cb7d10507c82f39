"""The door through which ``rollout`` lets a request begin."""

from datetime import date

from onboarding.engine import dispatch, rows
from onboarding.models import OnboardingEvent, OnboardingRequest, OnboardingStatus


def begin_provisioning(request_id: int, day: date) -> bool:
    """Let a queued request begin, counted for ``day``; False where it does not wait any more.

    Called inside the transaction in which the caller has counted.
    """
    request = rows.lock_request(request_id)
    if request.status != OnboardingStatus.QUEUED:
        return False
    rows.move_request(request, OnboardingStatus.PROVISIONING, provisioned_on=day, planned_for=day)
    rows.record_event(request, "provisioning")
    dispatch.send_due(request.pk)
    return True


def plan_request(request: OnboardingRequest, day: date | None, hold: str = "") -> None:
    """Write the day on which the turn of a queued request comes, and tell of the first one.

    ``hold`` says what keeps all of them back at present. Called as ``begin_provisioning``.
    """
    waiting = OnboardingRequest.objects.filter(pk=request.pk, status=OnboardingStatus.QUEUED)
    if not waiting.update(planned_for=day):
        return
    # Later days are on the page: a hold moves them every night.
    if day is not None and not OnboardingEvent.objects.filter(request=request, kind="planned").exists():
        request.planned_for = day
        rows.record_event(request, "planned", "", hold)
