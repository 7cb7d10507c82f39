"""Mails at each turn, over SMTP to a server on loopback; the confirmation in the launch runbook's words."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.contrib.auth.models import User
from django.utils import timezone

from onboarding import engine, messages, rollout
from onboarding.metrics import measure_requests
from onboarding.models import OnboardingRequest, OnboardingStep
from onboarding.step_protocol import Expired, Refused
from orchestrator.dev.embedded import find_free_port
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification
from tests.onboarding.steps import ask_for, onboard, pass_due_steps
from tests.ops.launch_runbook import find_runbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_steps")]
WORDS = Path(__file__).with_name("confirmation.txt").read_text(encoding="utf-8")


class Mailbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@pytest.fixture
def mailbox(settings) -> Iterator[Mailbox]:
    """Where the service sends its mails."""
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=find_free_port())
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.PUBLIC_URL = "https://blocks.example.org"
    yield box
    server.stop()


def deliver() -> None:
    for one in Notification.objects.filter(status="waiting").order_by("id"):
        delivery.deliver(one.pk)


def list_subjects(box: Mailbox, to: str) -> list[str]:
    deliver()
    prefix = "[Blocks Orchestrator] "
    return [str(mail["Subject"]).removeprefix(prefix) for mail in box.mails if mail["To"] == to]


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("ann", "ann@example.org")


def test_lead_and_owner_are_told_at_each_turn(mailbox, owner, settings):
    settings.ONBOARDING_MAX_PER_DAY = 0
    request = ask_for("billing", requested_by=owner)
    engine.approve(request.pk, actor="lead@example.org")
    pass_due_steps()
    settings.ONBOARDING_MAX_PER_DAY = 5
    rollout.close_portal(actor="kim", reason="a freeze")
    pass_due_steps()
    rollout.open_portal(actor="kim", reason="over")
    pass_due_steps()
    engine.offboard(request.pk, actor="kim")
    pass_due_steps()
    expected = [
        "billing is asked for",
        "billing is approved",
        "billing waits for its day",
        "Onboarding Complete: billing",
        "billing is offboarded",
    ]
    assert list_subjects(mailbox, "lead@example.org") == expected
    assert list_subjects(mailbox, "ann@example.org") == expected
    (waits, *_) = [mail for mail in mailbox.mails if "waits" in str(mail["Subject"])]
    text = waits.get_content()
    day = OnboardingRequest.objects.get().provisioned_on
    assert f"Its turn comes on {day}. Onboarding is paused: a freeze" in text
    assert f"https://blocks.example.org/onboarding/{request.reference}/" in text


def test_the_confirmation_is_in_the_words_of_the_launch_runbook(mailbox):
    request = ask_for("billing")
    engine.approve(request.pk, actor="lead@example.org")
    pass_due_steps()
    request.refresh_from_db()
    subject, _, body = WORDS.partition("\n\n")
    filled = body.replace("{repo_name}", "billing").replace("{team_lead}", "lead@example.org")
    list_subjects(mailbox, "lead@example.org")
    sent = mailbox.mails[-1]
    assert f"Subject: {sent['Subject']}" == subject.replace("{repo_name}", "billing")
    assert sent.get_content().replace("\r\n", "\n").strip() == filled.strip()
    kept = messages.read_confirmation(request)
    assert kept is not None
    assert kept.body == filled.strip()


def test_the_words_are_those_of_the_runbook():
    place = find_runbook()
    if place is None:
        pytest.skip("the launch runbook is not at hand: name it in LAUNCH_RUNBOOK")
    found = re.search(
        r"\*\*Onboarding Confirmation Email:\*\*\n```\n(.*?)\n```", place.read_text(encoding="utf-8"), re.S
    )
    assert found
    assert found[1] == WORDS.strip()


def test_a_failure_says_what_to_do(mailbox):
    ask_for("billing")
    pass_due_steps(Refused("CI is not configured.", "Add a workflow, then press retry."))
    assert list_subjects(mailbox, "lead@example.org")[-1] == "billing needs a person"
    text = mailbox.mails[-1].get_content()
    assert "CI is not configured." in text
    assert "What to do: Add a workflow, then press retry." in text


def test_the_other_ends_are_told_too(mailbox):
    for name in ("rejected", "cancelled", "expired"):
        request = ask_for(name)
        if name == "expired":
            pass_due_steps(Expired("The lead has not answered in three days.", "Ask again."))
        elif name == "rejected":
            engine.reject(request.pk, actor="lead@example.org", reason="next year")
        else:
            engine.cancel(request.pk, actor="ann")
    assert [one for one in list_subjects(mailbox, "lead@example.org") if "asked for" not in one] == [
        "rejected is rejected",
        "cancelled is cancelled",
        "expired is not onboarded",
    ]


def test_without_a_mail_server_nothing_is_written_and_the_copy_is_there(settings):
    settings.EMAIL_HOST = ""
    request = ask_for("billing")
    assert messages.read_confirmation(request) is None
    engine.approve(request.pk, actor="lead@example.org")
    pass_due_steps()
    request.refresh_from_db()
    assert not Notification.objects.exists()
    kept = messages.read_confirmation(request)
    assert kept is not None
    assert kept.subject == "[Blocks Orchestrator] Onboarding Complete: billing"


def test_a_hold_that_moves_the_day_every_night_is_told_once(mailbox, settings):
    settings.ONBOARDING_ENABLED = False
    request = ask_for("billing")
    engine.approve(request.pk, actor="lead@example.org")
    pass_due_steps()
    for day in (7, 8, 9):
        rollout.begin_due_requests(date(2030, 1, day))
    request.refresh_from_db()
    assert str(request.planned_for) == "2030-01-09"
    assert list_subjects(mailbox, "lead@example.org").count("billing waits for its day") == 1


def test_figures_of_adoption(db):
    ready = onboard("billing")
    second = onboard("payments")
    ask_for("ledger")
    requests, seconds, work, approval = measure_requests()
    values = {(one.labels["phase"], one.labels["status"]): one.value for one in requests.samples if one.value}
    assert values == {("org", "ready"): 2.0, ("org", "checking"): 1.0}
    move_in_time(ready, {"created_at": 300, "decided_at": 100, "ready_at": 0}, asked=290, begun=4)
    # A night passes until the lead answers, and another until its day.
    move_in_time(second, {"created_at": 90_000, "decided_at": 50_000, "ready_at": 0}, asked=89_980, begun=10)
    requests, seconds, work, approval = measure_requests()
    ((sample,)) = seconds.samples
    assert sample.value == pytest.approx((300 + 90_000) / 2)
    figures = {
        one.name.removeprefix("orchestrator_onboarding_"): one.value
        for one in (*work.samples, *approval.samples)
    }
    assert figures == pytest.approx(
        {
            "work_seconds_count": 2,
            "work_seconds_sum": (10 + 4) + (20 + 10),
            "approval_seconds_count": 2,
            "approval_seconds_sum": 190 + 39_980,
        }
    )


def move_in_time(request: OnboardingRequest, ago: dict[str, float], *, asked: float, begun: float) -> None:
    """As if everything had happened so many seconds ago."""
    now = timezone.now().replace(microsecond=0)
    before = lambda seconds: now - timedelta(seconds=seconds)  # noqa: E731
    moved = {name: before(seconds) for name, seconds in ago.items()}
    OnboardingRequest.objects.filter(pk=request.pk).update(**moved)
    OnboardingStep.objects.filter(request=request, kind="check").update(started_at=before(asked))
    OnboardingStep.objects.filter(request=request, kind="provision").update(started_at=before(begun))
