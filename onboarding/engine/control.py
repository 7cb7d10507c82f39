"""What people do to a request. Each door is one transaction; doing it twice does it once, or is refused."""

from django.db import transaction
from django.utils import timezone

from onboarding.engine import dispatch, rows
from onboarding.engine.errors import AlreadyDecided, NotInThatState
from onboarding.models import OnboardingRequest, OnboardingStatus, OnboardingStep, StepKind, StepStatus
from orchestrator.core import audit, database
from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic

_NEVER_RAN = StepStatus.PENDING
_OVER = (StepStatus.PASSED, StepStatus.SKIPPED)


def approve(request_id: int, *, actor: str, on_behalf: str = "") -> OnboardingRequest:
    """Say yes for the team; ``on_behalf`` is the reason where the lead did not say it. ``AlreadyDecided``."""
    with audit.act_as(actor, on_behalf):
        request = _lock_undecided(request_id)
        request.decided_by, request.decided_at = actor[:150], timezone.now()
        request.save(update_fields=["decided_by", "decided_at"])
        rows.record_event(request, "approved_on_behalf" if on_behalf else "approved", actor, on_behalf)
        _announce(request, Topic.ONBOARDING_APPROVED, "approved")
        wake(request.pk, "lead_approved")
    return request


def reject(request_id: int, *, actor: str, reason: str = "") -> OnboardingRequest:
    """Say no: the request is over, and the repo may be asked for again. Raises ``AlreadyDecided``."""
    with audit.act_as(actor, reason):
        request = _lock_undecided(request_id)
        # Before the status: a step that runs must not pass a check of a request that is over.
        _skip_steps(request)
        rows.move_request(
            request, OnboardingStatus.REJECTED, decided_by=actor[:150], decided_at=timezone.now()
        )
        rows.record_event(request, "rejected", actor, reason)
        _announce(request, Topic.ONBOARDING_REJECTED, "rejected")
    return request


def cancel(request_id: int, *, actor: str, reason: str = "") -> OnboardingRequest:
    """End a request before anything was provisioned. Raises ``NotInThatState``; again, it does nothing."""
    with audit.act_as(actor, reason):
        request = rows.lock_request(request_id)
        if request.status == OnboardingStatus.CANCELLED:
            return request
        before = {OnboardingStatus.CHECKING, OnboardingStatus.QUEUED, OnboardingStatus.FAILED}
        if request.status not in before or _has_begun(request):
            raise NotInThatState(
                f"{request.reference} is {request.get_status_display()}, and not cancelled any more.",
                cure="What was provisioned is taken back by offboarding.",
            )
        _skip_steps(request)
        rows.move_request(request, OnboardingStatus.CANCELLED)
        rows.record_event(request, "cancelled", actor, reason)
    return request


def retry(request_id: int, *, actor: str, reason: str = "") -> OnboardingRequest:
    """Continue from the step that has failed. Raises ``NotInThatState`` where none has."""
    with audit.act_as(actor, reason):
        request = rows.lock_request(request_id)
        failed = OnboardingStep.objects.select_for_update(no_key=True).filter(
            request=request, status__in=[StepStatus.FAILED, StepStatus.ERRORED]
        )
        steps = list(failed.order_by("position"))
        if request.status not in {OnboardingStatus.FAILED, OnboardingStatus.UNDO_FAILED} or not steps:
            raise NotInThatState(
                f"{request.reference} is {request.get_status_display()}: nothing has failed."
            )
        for step in steps:
            # The counts begin again: a person has looked, and wants as many tries as the first time.
            step.status, step.troubles, step.crashes = StepStatus.PENDING, 0, 0
            step.reason = step.cure = ""
            step.not_before = step.finished_at = None
            step.save()
        # Only steps of one kind can have failed: the next kind begins when all of this one have passed.
        back = {
            StepKind.CHECK: OnboardingStatus.CHECKING,
            StepKind.PROVISION: OnboardingStatus.PROVISIONING,
            StepKind.UNDO: OnboardingStatus.OFFBOARDING,
        }
        rows.move_request(request, back[StepKind(steps[-1].kind)])
        rows.record_event(request, "retried", actor, reason or f"from {steps[-1].name}")
        dispatch.send_due(request.pk)
    return request


def offboard(request_id: int, *, actor: str, reason: str = "") -> OnboardingRequest:
    """Take back what was provisioned, in reverse order. Raises ``NotInThatState``; again, it does nothing."""
    with audit.act_as(actor, reason):
        request = rows.lock_request(request_id)
        # A second click is answered with what the first has begun.
        if request.status in {OnboardingStatus.OFFBOARDING, OnboardingStatus.OFFBOARDED}:
            return request
        if request.status not in {OnboardingStatus.READY, OnboardingStatus.FAILED} or not _has_begun(request):
            raise NotInThatState(
                f"{request.reference} is {request.get_status_display()}: nothing is there to take back.",
                cure="Cancel it instead, or wait until what is under way has ended.",
            )
        _add_undo_steps(request)
        rows.move_request(request, OnboardingStatus.OFFBOARDING)
        rows.record_event(request, "offboarding", actor, reason)
        dispatch.send_due(request.pk)
    return request


def wake(request_id: int, name: str) -> bool:
    """Let a step that waits run now; whether there is one. For callbacks of far sides."""
    with transaction.atomic():
        rows.lock_request(request_id)
        steps = OnboardingStep.objects.filter(request=request_id, name=name)
        # One that runs at this moment may have looked before what it waits for came: it looks again.
        woken = steps.filter(status=StepStatus.RUNNING).update(wake_asked=True)
        woken += steps.filter(status=StepStatus.WAITING).update(not_before=database.read_clock())
        dispatch.send_due(request_id)
    return bool(woken)


def _lock_undecided(request_id: int) -> OnboardingRequest:
    # Locked: of two who decide at the same moment, the second sees what the first decided.
    request = rows.lock_request(request_id)
    if request.decided_at is not None:
        said = "rejected" if request.status == OnboardingStatus.REJECTED else "approved"
        raise AlreadyDecided(f"{request.repo_name} is {said} already, by {request.decided_by}.")
    if request.status not in {OnboardingStatus.CHECKING, OnboardingStatus.FAILED}:
        raise AlreadyDecided(f"{request.repo_name} is {request.get_status_display()} already.")
    return request


def _has_begun(request: OnboardingRequest) -> bool:
    made = OnboardingStep.objects.filter(request=request, kind=StepKind.PROVISION)
    return request.provisioned_on is not None or made.exclude(attempt=0).exists()


def _skip_steps(request: OnboardingRequest) -> None:
    """End every step that is not over. An attempt that runs is fenced: it has lost its token."""
    OnboardingStep.objects.filter(request=request).exclude(status__in=_OVER).update(
        status=StepStatus.SKIPPED, token=None, lease_until=None, not_before=None
    )


def _add_undo_steps(request: OnboardingRequest) -> None:
    steps = list(request.steps.exclude(kind=StepKind.UNDO).order_by("position"))
    last = steps[-1].position if steps else 0
    # A step that was begun may have left something, passed or not.
    begun = [step for step in steps if step.kind == StepKind.PROVISION and step.attempt > 0]
    OnboardingStep.objects.filter(request=request).exclude(status__in=_OVER).update(
        status=StepStatus.SKIPPED, token=None, lease_until=None, not_before=None
    )
    OnboardingStep.objects.bulk_create(
        OnboardingStep(request=request, kind=StepKind.UNDO, name=step.name, position=last + place)
        for place, step in enumerate(reversed(begun), start=1)
    )


def _announce(request: OnboardingRequest, topic: Topic, said: str) -> None:
    facts = {
        "repo": request.repo_name,
        "domain": request.block_family,
        "decided_by": request.decided_by,
        "title": f"{request.repo_name} is {said}.",
    }
    announce(topic, facts, repo=request.repo)
