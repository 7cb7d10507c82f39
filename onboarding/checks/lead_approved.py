"""The team lead has said yes, or somebody with the right to has on their behalf.

A no ends the request by another door, ``engine.reject``. Asked once, reminded once after a day, over after
three days.
"""

from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from django.db import transaction
from django.utils import timezone

from onboarding.lead import mail_link, question, slack_dialog
from onboarding.step_protocol import (
    Expired,
    FarSideTrouble,
    OnboardingCheck,
    Passed,
    Refused,
    RequestFacts,
    StepAnswer,
    StepContext,
    StepTakenOver,
    Waiting,
)
from orchestrator.ops.notifications.errors import NotifierUnavailable
from orchestrator.ops.notifications.slack_api import SlackRefusal

NAME: Final = question.STEP
REMIND_AFTER: Final = timedelta(days=1)
EXPIRE_AFTER: Final = timedelta(days=3)
_OTHER_LEAD: Final = (
    "Let the lead join the Slack workspace, then retry. Or cancel this request and name another lead, or ask "
    "an SRE to approve on the lead's behalf."
)
# What Slack answers where the person cannot be asked at all.
_NOT_THERE: Final = {"users_not_found", "user_not_found", "user_disabled", "cannot_dm_bot"}


class LeadApproved:
    """Asks the lead in Slack, or by mail, and waits for the answer."""

    name = NAME
    title = "The team lead approves"

    def run(self, context: StepContext) -> StepAnswer:
        """Passed once somebody has approved."""
        request = context.request
        if request.approved_at is not None:
            return _conclude(context)
        # Before asking: a worker that was away for days must not ask about what is over.
        asked_at = _find_asked_at(context)
        if timezone.now() >= asked_at + EXPIRE_AFTER:
            return _expire(context)
        try:
            waits = _ask(context, is_late=timezone.now() >= asked_at + REMIND_AFTER)
        except SlackRefusal as error:
            return _explain_refusal(error, request)
        except NotifierUnavailable as error:
            _raise_trouble(error)
        pause = EXPIRE_AFTER if timezone.now() >= asked_at + REMIND_AFTER else REMIND_AFTER
        return Waiting(waits, asked_at + pause)


def _find_asked_at(context: StepContext) -> datetime:
    """When the lead was asked first; now where nobody has asked yet. A retry begins no new time."""
    noted = context.previous.get("asked_at")
    return timezone.now() if noted is None else datetime.fromisoformat(noted)


def _ask(context: StepContext, *, is_late: bool) -> str:
    """Ask or remind the lead where it is time to; what is waited for, in a sentence."""
    request, note = context.request, {"asked_at": timezone.now().isoformat(), **context.previous}
    if slack_dialog.is_configured():
        _ask_in_slack(context, note, is_late=is_late)
        return f"{request.team_lead} was asked in Slack, and has not answered yet."
    if mail_link.is_configured():
        with transaction.atomic():
            context.note(note)
            # Written once for each kind, however often this runs.
            mail_link.send_mail(request, "reminder" if is_late else "question")
        context.log(f"{'Reminded' if is_late else 'Asked'} {request.team_lead} by mail.")
        return f"{request.team_lead} was asked by mail, and has not answered yet."
    context.note(note)
    return (
        f"{request.team_lead} cannot be asked: neither Slack nor mail is set up. "
        "An SRE approves on the lead's behalf."
    )


def _ask_in_slack(context: StepContext, note: dict[str, Any], *, is_late: bool) -> None:
    request = context.request
    if not note.get("person"):
        person = slack_dialog.find_person(request.team_lead)
        if not person:
            raise SlackRefusal("user_disabled")
        note |= {"person": person, "channel": slack_dialog.open_conversation(person)}
        context.note(note)
    if not note.get("stamp"):
        text = _describe(request)
        note["stamp"] = _post_once(context, note, "question", text, with_buttons=True)
        _keep_stamp(context, note)
        context.log(f"Asked {request.team_lead} in Slack.")
    if is_late and not note.get("reminded"):
        text = f"A reminder: {request.reference} above waits for your answer, for two more days."
        note["reminded"] = _post_once(context, note, "reminder", text, with_buttons=False)
        context.note(note)
        context.log(f"Reminded {request.team_lead} in Slack.")


def _keep_stamp(context: StepContext, note: dict[str, Any]) -> None:
    try:
        context.note(note)
    except StepTakenOver:
        # Somebody has said no while it was being posted. Only this attempt knows which message it is.
        with transaction.atomic():
            question.close_question(context.request.id, note)
        raise


def _post_once(
    context: StepContext, note: dict[str, Any], kind: str, text: str, *, with_buttons: bool
) -> str:
    """Post, unless an earlier attempt that was lost has; the timestamp."""
    reference = context.request.reference
    if note.get("posting") == kind:
        posted = slack_dialog.find_message(note["channel"], reference, kind)
        if posted:
            return posted
    # Before posting: an attempt that dies in between leaves this, and the next one looks first.
    note["posting"] = kind
    context.note(note)
    context.still_ours()
    return slack_dialog.post_message(note["channel"], reference, kind, text, with_buttons=with_buttons)


def _describe(request: RequestFacts) -> str:
    asker = request.requested_by or request.requested_from or "Somebody"
    place = request.code_host_path or request.repo_name
    asker, place, family = (slack_dialog.escape(text) for text in (asker, place, request.block_family))
    return (
        f"{asker} asks to enable *{place}* for the Multi-LLM Orchestrator, and names you as the lead of its "
        f"team (block family {family}, request {request.reference}). With a yes the orchestrator may clone "
        "the repo, and proposes its files in a pull request. Your answer counts for three days."
    )


def _conclude(context: StepContext) -> Passed:
    # Where the message was posted at the moment of the yes, the yes has found none to change.
    with transaction.atomic():
        question.close_question(context.request.id)
    # Which message it was stays: a second press on it has to be known as one.
    return Passed({**context.previous, "approved_by": context.request.approved_by})


def _expire(context: StepContext) -> Expired:
    return Expired(
        f"{context.request.team_lead} has not answered for three days.",
        "Talk to the lead, then ask again; or ask an SRE to approve on the lead's behalf.",
    )


def _explain_refusal(error: SlackRefusal, request: RequestFacts) -> Refused:
    # The requester can cure this; everything else is between the operators and Slack.
    if error.slack_code in _NOT_THERE:
        return Refused(f"{request.team_lead} is not in the Slack workspace, or has left it.", _OTHER_LEAD)
    return Refused(
        f"Slack refuses to ask {request.team_lead}: {error.slack_code}.",
        f"An operator: {error.cure} Then retry.",
    )


def _raise_trouble(error: NotifierUnavailable) -> NoReturn:
    raise FarSideTrouble(error.message, retry_after_seconds=error.retry_after_seconds) from error


CHECK: OnboardingCheck = LeadApproved()
