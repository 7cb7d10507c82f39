"""The end of an attempt: its answer becomes the state of step and request, once, or not at all.

Every way out is fenced by the token: an attempt that was taken over writes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from onboarding.engine import dispatch, rows
from onboarding.engine.claim import StepClaim
from onboarding.models import OnboardingRequest, OnboardingStatus, OnboardingStep, StepKind, StepStatus
from onboarding.step_protocol import (
    Expired,
    FarSideTrouble,
    Passed,
    Refused,
    StepAnswer,
    StepTakenOver,
    Waiting,
)
from orchestrator.core import database
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.redaction import redact_text
from orchestrator.repos.models import Repo

MOST_TROUBLES: Final = 10
"""How often in a row the far side may fail before a step has errored: about half an hour."""
LONGEST_PAUSE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class StepEnd:
    """Where step and request stand after an attempt."""

    step: StepStatus
    request: OnboardingStatus


def finish_step(claim: StepClaim, answer: StepAnswer) -> StepEnd:
    """Apply ``answer`` and end the attempt; raises ``StepTakenOver`` when ``claim`` is not the live one."""
    with transaction.atomic():
        request, step = _lock_live(claim)
        now = database.read_clock()
        match answer:
            case Passed():
                _end(step, StepStatus.PASSED, now, outputs=dict(answer.outputs))
                _move_on(request, step, now)
            case Refused():
                _end(step, StepStatus.FAILED, now, reason=answer.reason, cure=answer.cure)
                _fail(request, step)
            case Waiting():
                _park(step, answer.reason, answer.not_before, now)
            case Expired():
                _end(step, StepStatus.FAILED, now, reason=answer.reason, cure=answer.cure)
                rows.move_request(request, OnboardingStatus.EXPIRED)
                rows.record_event(request, "expired", "", answer.reason)
        dispatch.send_due(request.pk)
    return StepEnd(StepStatus(step.status), OnboardingStatus(request.status))


def record_trouble(claim: StepClaim, error: FarSideTrouble) -> StepEnd:
    """Let the step wait and be tried again; one that failed too often in a row has errored.

    Raises ``StepTakenOver``.
    """
    with transaction.atomic():
        request, step = _lock_live(claim)
        now = database.read_clock()
        step.troubles += 1
        if step.troubles >= MOST_TROUBLES:
            _end(step, StepStatus.ERRORED, now, reason=error.message, cure=error.cure)
            _fail(request, step)
        else:
            pause = min(settings.ENGINE_BACKOFF_SECONDS * 2.0 ** (step.troubles - 1), LONGEST_PAUSE_SECONDS)
            # The far side's own wish counts, within a bound: a wrong header must not stop a team for days.
            wished = min(error.retry_after_seconds or 0.0, 6 * LONGEST_PAUSE_SECONDS)
            _park(step, error.message, now + timedelta(seconds=max(pause, wished)), now)
    return StepEnd(StepStatus(step.status), OnboardingStatus(request.status))


def record_defect(claim: StepClaim, error: Exception) -> StepEnd:
    """End the attempt of a step that has broken in a way that nobody expected; raises ``StepTakenOver``."""
    known = isinstance(error, OrchestratorError)
    # The text of an unknown exception may hold anything, a token too.
    reason = (
        error.message if isinstance(error, OrchestratorError) else f"Internal error: {type(error).__name__}."
    )
    cure = error.cure if isinstance(error, OrchestratorError) and known else OrchestratorError.cure
    with transaction.atomic():
        request, step = _lock_live(claim)
        _end(step, StepStatus.ERRORED, database.read_clock(), reason=reason, cure=cure)
        _fail(request, step)
    return StepEnd(StepStatus(step.status), OnboardingStatus(request.status))


def _lock_live(claim: StepClaim) -> tuple[OnboardingRequest, OnboardingStep]:
    request = rows.lock_request(claim.request_id)
    locked = OnboardingStep.objects.select_for_update(no_key=True)
    step = locked.filter(pk=claim.step_id, token=claim.token, status=StepStatus.RUNNING).first()
    if step is None:
        raise StepTakenOver(f"{claim.name} of {claim.request.reference} continues elsewhere, or not at all.")
    return request, step


def _end(
    step: OnboardingStep,
    status: StepStatus,
    now: datetime,
    *,
    outputs: Mapping[str, Any] | None = None,
    reason: str = "",
    cure: str = "",
) -> None:
    step.status, step.finished_at = status, now
    step.token = step.lease_until = step.not_before = None
    step.reason, step.cure = redact_text(reason)[0], redact_text(cure)[0]
    step.wake_asked = False
    # What a failed attempt has noted stays, so that a retry finds it.
    if outputs is not None:
        step.outputs = dict(outputs)
    step.save()


def _park(step: OnboardingStep, reason: str, not_before: datetime | None, now: datetime) -> None:
    step.status = StepStatus.WAITING
    step.token = step.lease_until = None
    step.reason = redact_text(reason)[0]
    # What it waits for may have come while it ran.
    step.not_before = now if step.wake_asked else not_before
    step.wake_asked = False
    step.save()


def _fail(request: OnboardingRequest, step: OnboardingStep) -> None:
    undo = step.kind == StepKind.UNDO
    rows.move_request(request, OnboardingStatus.UNDO_FAILED if undo else OnboardingStatus.FAILED)
    rows.record_event(request, request.status, "", f"{step.name}: {step.reason}")


def _move_on(request: OnboardingRequest, step: OnboardingStep, now: datetime) -> None:
    """Move the request on where this was the last step of its kind."""
    left = OnboardingStep.objects.filter(request=request, kind=step.kind)
    if left.exclude(status__in=[StepStatus.PASSED, StepStatus.SKIPPED]).exists():
        return
    match step.kind:
        case StepKind.CHECK:
            rows.move_request(request, OnboardingStatus.QUEUED, queued_at=now)
            rows.record_event(request, "checked")
        case StepKind.PROVISION:
            # Registered by its step; a constraint refuses to be ready without it.
            repo = Repo.objects.get(name=request.repo_name)
            rows.move_request(request, OnboardingStatus.READY, ready_at=now, repo=repo)
            rows.record_event(request, "ready")
        case StepKind.UNDO:
            rows.move_request(request, OnboardingStatus.OFFBOARDED)
            rows.record_event(request, "offboarded")
