"""How a request stands, in words for people: for its page, and for what a screen reader says."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from onboarding import rollout
from onboarding.models import OnboardingRequest, OnboardingStatus, OnboardingStep, StepKind, StepStatus
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.flows.models import Flow
from orchestrator.flows.models.states import FlowStatus

_STEP_WORDS: Final = {
    StepStatus.PENDING: "not begun",
    StepStatus.RUNNING: "running",
    StepStatus.WAITING: "waiting",
    StepStatus.PASSED: "passed",
    StepStatus.FAILED: "failed",
    StepStatus.ERRORED: "errored",
    StepStatus.SKIPPED: "left out",
}
# Outputs that people open; other addresses are for the steps that come later.
_LINK_WORDS: Final = {
    "web_url": "Look at the repo",
    "url": "Look at the pull or merge request, and merge it",
    "dashboard_url": "Look at the dashboard of the repo",
}
_UNDER_WAY: Final = (
    OnboardingStatus.CHECKING,
    OnboardingStatus.QUEUED,
    OnboardingStatus.PROVISIONING,
    OnboardingStatus.OFFBOARDING,
)
_FAILED: Final = (OnboardingStatus.FAILED, OnboardingStatus.UNDO_FAILED)


@dataclass(frozen=True, slots=True)
class StepView:
    """One step for the page."""

    name: str
    title: str
    status: str
    words: str
    reason: str
    cure: str
    next_try: datetime | None
    seconds: float | None
    log: list[dict[str, str]]
    links: list[tuple[str, str]]

    @property
    def is_bad(self) -> bool:
        """Whether it has to be looked at."""
        return self.status in (StepStatus.FAILED, StepStatus.ERRORED)


def _list_shown(step: StepView) -> list[Any]:
    return [step.status, step.reason, step.cure, step.next_try, len(step.log), step.links]


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request for its page. ``is_live``: it may still change by itself, so the page asks again."""

    row: OnboardingRequest
    groups: list[tuple[str, list[StepView]]]
    headline: str
    hold: str
    place: int | None
    first_flow: Flow | None
    is_live: bool
    may_retry: bool
    may_cancel: bool

    @property
    def is_ready(self) -> bool:
        """Whether the repo is enabled."""
        return self.row.status == OnboardingStatus.READY

    @property
    def flow_passed(self) -> bool:
        """Whether the repo's first flow has passed."""
        return self.first_flow is not None and self.first_flow.status == FlowStatus.PASSED

    @property
    def digest(self) -> str:
        """The same while the page would look the same."""
        shown: list[Any] = [self.headline, self.hold, self.place, self.row.status, self.row.decided_by]
        for title, steps in self.groups:
            shown += [title, [_list_shown(step) for step in steps]]
        shown.append([self.first_flow.pk, self.first_flow.status] if self.first_flow else None)
        # Short: it is part of the address that the page asks for.
        return hashlib.sha256(json.dumps(shown, default=str).encode()).hexdigest()[:16]


def view_request(request: OnboardingRequest) -> RequestView:
    """How ``request`` stands now."""
    # One query for all steps: the page asks every two seconds.
    steps = list(request.steps.order_by("position"))
    status = OnboardingStatus(request.status)
    first_flow = _find_first_flow(request) if status == OnboardingStatus.READY else None
    hold = rollout.find_hold() if status == OnboardingStatus.QUEUED else ""
    place = _find_place(request) if status == OnboardingStatus.QUEUED else None
    waits_for_flow = status == OnboardingStatus.READY and (
        first_flow is None or first_flow.status != FlowStatus.PASSED
    )
    # What has begun is taken back by offboarding, which an SRE does.
    has_begun = request.provisioned_on is not None
    before = (OnboardingStatus.CHECKING, OnboardingStatus.QUEUED, OnboardingStatus.FAILED)
    return RequestView(
        row=request,
        groups=_group_steps(steps),
        headline=_describe_status(request, steps),
        hold=hold,
        place=place,
        first_flow=first_flow,
        is_live=status in _UNDER_WAY or waits_for_flow,
        may_retry=status in _FAILED,
        may_cancel=status in before and not has_begun,
    )


def _group_steps(steps: list[OnboardingStep]) -> list[tuple[str, list[StepView]]]:
    titles = {StepKind.CHECK: "Checks", StepKind.PROVISION: "Set-up", StepKind.UNDO: "Taken back"}
    groups = []
    for kind, title in titles.items():
        chosen = [_view_step(step) for step in steps if step.kind == kind]
        if chosen:
            groups.append((title, chosen))
    return groups


def _view_step(step: OnboardingStep) -> StepView:
    is_waiting = step.status == StepStatus.WAITING
    return StepView(
        name=f"{step.kind}-{step.name}",
        title=_find_title(step),
        status=step.status,
        words=_STEP_WORDS[StepStatus(step.status)],
        reason=step.reason,
        cure=step.cure,
        next_try=step.not_before if is_waiting and step.troubles else None,
        seconds=_measure(step),
        log=step.log,
        links=_list_links(step.outputs),
    )


def _measure(step: OnboardingStep) -> float | None:
    """The seconds from its first attempt to its end, pauses included; None while it has not ended."""
    if step.started_at is None or step.finished_at is None:
        return None
    return (step.finished_at - step.started_at).total_seconds()


def _find_title(step: OnboardingStep) -> str:
    registry: Any = CHECKS if step.kind == StepKind.CHECK else PROVISIONING
    # A row may be older than the code: its step may have another name now.
    if step.name not in set(registry):
        return step.name.replace("_", " ").capitalize()
    return str(registry.get(step.name).title)


def _list_links(outputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Addresses among the outputs that a person wants to open, with what is there."""
    found = []
    for name, words in _LINK_WORDS.items():
        value = outputs.get(name)
        # Only what a browser opens: no script, no data.
        if isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) < 500:
            found.append((words, value))
    return found


def _describe_status(request: OnboardingRequest, steps: list[OnboardingStep]) -> str:
    # Undoing counts backwards, so it has no share here.
    passed = sum(step.status == StepStatus.PASSED for step in steps if step.kind != StepKind.UNDO)
    total = sum(step.kind != StepKind.UNDO for step in steps)
    now = [step for step in steps if step.status in (StepStatus.RUNNING, StepStatus.WAITING)]
    at = f" Now: {_find_title(now[0])}." if now else ""
    sentences = {
        OnboardingStatus.CHECKING: f"The checks run, {passed} of {total} steps are done.{at}",
        OnboardingStatus.QUEUED: "Approved. It waits for its turn.",
        OnboardingStatus.PROVISIONING: f"It is set up, {passed} of {total} steps are done.{at}",
        OnboardingStatus.READY: "The repo is ready.",
        OnboardingStatus.REJECTED: f"Declined by {request.decided_by}. The repo may be asked for again.",
        OnboardingStatus.EXPIRED: "The team lead has not answered in time. The repo may be asked for again.",
        OnboardingStatus.FAILED: f"It has stopped after {passed} of {total} steps, and nothing is lost.",
        OnboardingStatus.CANCELLED: "Cancelled. The repo may be asked for again.",
        OnboardingStatus.OFFBOARDING: f"What was set up is taken back.{at}",
        OnboardingStatus.UNDO_FAILED: "Taking back has stopped. What is left is listed below.",
        OnboardingStatus.OFFBOARDED: "Everything that was set up is taken back.",
    }
    return sentences[OnboardingStatus(request.status)]


def _find_place(request: OnboardingRequest) -> int:
    """How many requests come before this one, and itself."""
    line = OnboardingRequest.objects.filter(status=OnboardingStatus.QUEUED)
    before = line.filter(queued_at__lt=request.queued_at or timezone.now())
    return before.count() + 1


def _find_first_flow(request: OnboardingRequest) -> Flow | None:
    """The repo's first flow that has passed since it is ready, or else its newest one."""
    if request.repo_id is None or request.ready_at is None:
        return None
    flows = Flow.objects.filter(repo=request.repo_id, created_at__gte=request.ready_at).order_by("created_at")
    return flows.filter(status=FlowStatus.PASSED).first() or flows.last()
