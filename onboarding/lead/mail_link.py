"""The question to a team lead by mail, where Slack is not set up: a signed link to a page with buttons."""

import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core import signing
from django.urls import reverse

from onboarding.step_protocol import RequestFacts
from orchestrator.ops.notifications.delivery import notify_once
from orchestrator.ops.notifications.message_templates import render_template

_SALT: Final = "onboarding approval by mail"


def is_configured() -> bool:
    """Whether leads can be asked by mail: there is a mail server, and an address for the link."""
    return bool(settings.EMAIL_HOST and settings.PUBLIC_URL)


def sign_link(reference: str, team_lead: str) -> str:
    """The last part of the page's address: for this request only, and as long as this is its lead."""
    # The address is part of the key: with another lead the old link is worth nothing.
    return signing.TimestampSigner(salt=f"{_SALT} {team_lead}").sign(reference)


def read_reference(signed: str) -> str:
    """The reference that ``signed`` claims to be for; ``is_valid`` says whether it is."""
    return signed.partition(":")[0]


def is_valid(signed: str, team_lead: str, max_age: timedelta) -> bool:
    """Whether we have made the link, for this lead, and it is not too old."""
    try:
        signing.TimestampSigner(salt=f"{_SALT} {team_lead}").unsign(signed, max_age=max_age)
    except signing.BadSignature:
        return False
    return True


def send_mail(request: RequestFacts, kind: str) -> None:
    """Write the mail, once for each ``kind``: the question, and the reminder."""
    address = reverse("onboarding-approve", args=[sign_link(request.reference, request.team_lead)])
    values = {
        "repo_name": request.repo_name,
        "code_host_path": request.code_host_path or request.repo_name,
        "requested_by": request.requested_by or request.requested_from or "somebody",
        "block_family": request.block_family,
        "reference": request.reference,
        "link": f"{settings.PUBLIC_URL}{address}",
    }
    message = render_template("onboarding_approval", values)
    # The same each time: a step that runs again writes no second mail.
    key = uuid.uuid5(uuid.NAMESPACE_URL, f"onboarding approval {request.reference} {kind}")
    subject = message.subject if kind == "question" else f"Reminder: {message.subject}"
    notify_once(key, "email", request.team_lead, message.body, subject=subject)
