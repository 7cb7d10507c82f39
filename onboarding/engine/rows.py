"""What the doors share: the locks, in their order, and the timeline.

The order of locks is request, then step, as flow and stage in the engine of flows.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from onboarding import messages
from onboarding.lead import question
from onboarding.models import OnboardingEvent, OnboardingRequest, OnboardingStatus, OnboardingStep, StepKind
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.core.redaction import redact_text


def lock_request(request_id: int) -> OnboardingRequest:
    """The request, locked until the end of the caller's transaction."""
    # NO KEY: writers of steps and events, whose rows refer to this one, need not wait.
    return OnboardingRequest.objects.select_for_update(no_key=True).get(pk=request_id)


def move_request(request: OnboardingRequest, status: OnboardingStatus, **values: Any) -> None:
    """Write the new status of a locked request, and ``values`` with it."""
    request.status = status
    for name, value in values.items():
        setattr(request, name, value)
    request.save(update_fields=["status", *values])


def record_event(request: OnboardingRequest, kind: str, actor: str = "", text: str = "") -> None:
    """Add a line to the timeline, and tell those whom it concerns."""
    event = OnboardingEvent.objects.create(
        request=request, kind=kind, actor=actor[:150], text=redact_text(text)[0]
    )
    messages.tell_turn(request, event)
    if question.ends_question(kind):
        question.close_question(request.pk)


def add_steps(request: OnboardingRequest) -> None:
    """Write the checks and the provisioning steps of a request; those that are there stay as they are."""
    # All of them at once: the page shows from the beginning what is still to come.
    names = [(StepKind.CHECK, name) for name in CHECKS]
    names += [(StepKind.PROVISION, name) for name in PROVISIONING]
    OnboardingStep.objects.bulk_create(
        [
            OnboardingStep(request=request, kind=kind, name=name, position=position)
            for position, (kind, name) in enumerate(names, start=1)
        ],
        ignore_conflicts=True,
    )


def read_outputs(request_id: int) -> Mapping[str, Mapping[str, Any]]:
    """What the checks and the provisioning steps that passed have found and made, by name."""
    passed = OnboardingStep.objects.filter(request=request_id, status="passed")
    rows = passed.exclude(kind=StepKind.UNDO).order_by("position")
    return {step.name: step.outputs for step in rows}


def log_entry(at: datetime, line: str) -> dict[str, str]:
    """One line of a step's log, redacted."""
    return {"at": at.isoformat(), "line": redact_text(line)[0]}
