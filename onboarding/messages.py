"""Mails to those whom a request concerns, the lead and the owner, at each of its turns.

They are written in the transaction of the turn, and a worker sends them: none is lost, and none comes twice.
The confirmation is in the launch runbook's words. Its copy is on the page of the request, also where no mail
server is configured.
"""

from typing import Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.urls import reverse

from onboarding.models import OnboardingEvent, OnboardingRequest, OnboardingStatus, OnboardingStep, StepStatus
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.errors import NotifierNotConfigured
from orchestrator.ops.notifications.message_templates import FilledMessage, render_template
from orchestrator.ops.notifications.notifier_protocol import NOTIFIERS

CONFIRMATION: Final = "onboarding_complete"
# What has happened, for the subject, and a sentence of the text. Other events are for the timeline alone.
_TURNS: Final[dict[str, tuple[str, str]]] = {
    "submitted": ("is asked for", "The repo and its CI are checked now. Then the team lead is asked."),
    "approved": ("is approved", "{actor} has approved it."),
    "approved_on_behalf": ("is approved", "{actor} has approved it on behalf of the team lead: {text}"),
    "planned": ("waits for its day", "Its turn comes on {planned_for}. {text}"),
    "rejected": ("is rejected", "{actor} has said no. {text}"),
    "expired": ("is not onboarded", "{text}"),
    "cancelled": ("is cancelled", "{actor} has cancelled it. {text}"),
    "failed": ("needs a person", "{text}"),
    "undo_failed": ("could not be taken back", "{text}"),
    "offboarded": ("is offboarded", "What was made for it is taken back. Its flows and evidence are kept."),
}
_READY: Final = "ready"


def tell_turn(request: OnboardingRequest, event: OnboardingEvent) -> None:
    """Write the mails about ``event``, in the caller's transaction; none where nobody is to be told."""
    message = _render(request, event)
    if message is None or not _has_mail_server():
        return
    for address in _list_addresses(request):
        # The key follows from the event, so that a turn which is told again is told once.
        delivery.notify_once(
            uuid5(NAMESPACE_URL, f"blocks:onboarding:{event.pk}:{address}"),
            "email",
            address,
            message.body,
            subject=message.subject,
            thread=f"onboarding {request.reference}",
        )


def read_confirmation(request: OnboardingRequest) -> FilledMessage | None:
    """The confirmation as it was sent to the lead; None for a request that is not ready."""
    if request.status != OnboardingStatus.READY:
        return None
    return _render_confirmation(request)


def _render(request: OnboardingRequest, event: OnboardingEvent) -> FilledMessage | None:
    if event.kind == _READY:
        return _render_confirmation(request)
    if event.kind not in _TURNS:
        return None
    title, text = _TURNS[event.kind]
    values = {
        "title": f"{request.repo_name} {title}",
        "text": text.format(actor=event.actor, text=event.text, planned_for=request.planned_for).strip(),
        "cure": _find_cure(request, event.kind),
        "reference": request.reference,
        "page": _link(request),
    }
    return render_template("onboarding_turn", values)


def _render_confirmation(request: OnboardingRequest) -> FilledMessage:
    # The runbook greets by a name; the address is what we know of the lead.
    values = {
        "repo_name": request.repo_name,
        "team_lead": request.team_lead,
        "docs_url": settings.DOCS_URL,
        "grafana_url": settings.GRAFANA_URL,
    }
    return render_template(CONFIRMATION, values)


def _find_cure(request: OnboardingRequest, kind: str) -> str:
    """What the step that has stopped the request says to do."""
    if kind not in {"failed", "undo_failed", "expired"}:
        return ""
    # The newest of them: an undo comes after the steps that it takes back.
    stopped = OnboardingStep.objects.filter(
        request=request, status__in=[StepStatus.FAILED, StepStatus.ERRORED]
    )
    step = stopped.order_by("position").last()
    return "" if step is None else step.cure


def _link(request: OnboardingRequest) -> str:
    # A worker knows no host but this one.
    if not settings.PUBLIC_URL:
        return ""
    return f"{settings.PUBLIC_URL}{reverse('onboarding-request', args=[request.reference])}"


def _list_addresses(request: OnboardingRequest) -> list[str]:
    """The lead, and the owner where that is somebody else."""
    owner = request.requested_by.email if request.requested_by is not None else ""
    # One person may be both, and reads one mail.
    found = [request.team_lead]
    if owner and owner.lower() != request.team_lead.lower():
        found.append(owner)
    return found


def _has_mail_server() -> bool:
    try:
        NOTIFIERS.get("email").check_settings()
    except NotifierNotConfigured:
        return False
    return True
