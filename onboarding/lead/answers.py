"""The team lead's answer: from a press in Slack, or from the page behind the link of the mail."""

import secrets
from dataclasses import dataclass

from django.db import transaction

from onboarding import engine
from onboarding.checks.lead_approved import EXPIRE_AFTER, NAME
from onboarding.lead import mail_link, question, slack_dialog
from onboarding.models import OnboardingRequest, OnboardingStep
from orchestrator.core.errors import FixedBy, OrchestratorError

_DECLINED = "declined by the team lead"


class AnswerRefused(OrchestratorError):
    """This answer does not come from the lead who was asked, or comes too late."""

    code = "onboarding:answer-refused"
    cure = "The lead answers in the message that was sent to them; an SRE can approve on their behalf."
    fixed_by = FixedBy.REQUESTER
    http_status = 403


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """The request that a link is for, and whether it still waits for an answer."""

    request: OnboardingRequest
    is_open: bool


def take_press(press: slack_dialog.SlackPress) -> None:
    """Decide as the lead has pressed. A second press changes nothing. Raises ``AnswerRefused``."""
    # The reference comes from the button, so from outside; what counts is the message that was noted.
    request = OnboardingRequest.objects.filter(reference=press.reference).first()
    step = None if request is None else _find_step(request)
    if request is None or step is None or not _is_of_lead(press, step):
        raise AnswerRefused
    _decide(request, approves=press.approves)


def find_asked(signed: str) -> AskedRequest:
    """The request of a link; raises ``AnswerRefused`` for one that is not ours, or too old."""
    request = OnboardingRequest.objects.filter(reference=mail_link.read_reference(signed)).first()
    if request is None or not mail_link.is_valid(signed, request.team_lead, EXPIRE_AFTER):
        raise AnswerRefused("This link is not valid, or older than three days.")
    return AskedRequest(request, request.decided_at is None and request.status in ("checking", "failed"))


def take_answer(signed: str, *, approves: bool) -> OnboardingRequest:
    """Decide as the lead has answered on the page. Raises ``AnswerRefused``, ``AlreadyDecided``."""
    asked = find_asked(signed)
    # The engine locks the request, so the second of two answers is refused by it.
    if approves:
        return engine.approve(asked.request.pk, actor=asked.request.team_lead)
    return engine.reject(asked.request.pk, actor=asked.request.team_lead, reason=_DECLINED)


def _find_step(request: OnboardingRequest) -> OnboardingStep | None:
    return OnboardingStep.objects.filter(request=request, name=NAME, kind="check").first()


def _is_of_lead(press: slack_dialog.SlackPress, step: OnboardingStep) -> bool:
    """Whether the press is on the message that was sent, and by the person whom it was sent to."""
    noted = [str(step.outputs.get(name, "")) for name in ("person", "channel", "stamp")]
    pressed = [press.user, press.channel, press.stamp]
    pairs = zip(noted, pressed, strict=True)
    return all(
        expected and secrets.compare_digest(expected.encode(), given.encode()) for expected, given in pairs
    )


def _decide(request: OnboardingRequest, *, approves: bool) -> None:
    try:
        if approves:
            engine.approve(request.pk, actor=request.team_lead)
        else:
            engine.reject(request.pk, actor=request.team_lead, reason=_DECLINED)
    except engine.AlreadyDecided:
        # A double click, or an answer after the end: the message says how it stands.
        with transaction.atomic():
            question.close_question(request.pk)
