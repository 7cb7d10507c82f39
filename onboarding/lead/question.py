"""The end of the question in Slack: once nobody waits for the lead, the message says why and has no buttons.

It follows from the timeline, in the transaction that writes it, so no way out is forgotten. Two places look
again, because a message may be posted at the moment of the decision, when nobody has noted yet which it is.
"""

from collections.abc import Mapping
from typing import Any, Final

from onboarding.lead import slack_dialog
from onboarding.models import OnboardingEvent, OnboardingStep, StepKind

STEP: Final = "lead_approved"
# By the kind of the event: each ends the wait for the lead.
_ENDS: Final = {
    "approved": "{actor} has approved.",
    "approved_on_behalf": "{actor} has approved on behalf of the team lead: {text}",
    "rejected": "{actor} has said no. {text}",
    "cancelled": "{actor} has cancelled the request. {text}",
    "expired": "over, because three days have passed without an answer.",
}


def close_question(request_id: int, note: Mapping[str, Any] | None = None) -> None:
    """Take the buttons off, in the caller's transaction; nothing where the lead is still waited for.

    ``note`` names the message where the step has not kept it. Again, it does nothing.
    """
    ends = OnboardingEvent.objects.filter(request=request_id, kind__in=_ENDS).select_related("request")
    # The first of them: who has cancelled a request after the yes has not answered the question.
    event = ends.order_by("id").first()
    if event is None:
        return
    # A step that has ended keeps what it noted, so this works after the end, too.
    if note is None:
        note = _read_note(request_id)
    said = _ENDS[event.kind].format(
        actor=slack_dialog.escape(event.actor), text=slack_dialog.escape(event.text)
    )
    slack_dialog.replace_message(note, event.request.reference, f"{event.request.reference}: {said.strip()}")


def ends_question(kind: str) -> bool:
    """Whether an event of this kind ends the wait for the lead."""
    return kind in _ENDS


def _read_note(request_id: int) -> Mapping[str, Any]:
    step = OnboardingStep.objects.filter(request=request_id, kind=StepKind.CHECK, name=STEP).first()
    return {} if step is None else step.outputs
