"""The team lead is asked, and answers: in Slack by buttons, or by a link of a mail."""

import json
import re
import threading
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from onboarding import engine
from onboarding.lead import answers, mail_link, slack_dialog
from onboarding.models import OnboardingEvent, OnboardingRequest, OnboardingStep
from orchestrator.core.redaction import redact_text
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import Notification
from tests.onboarding import steps

LEAD = "lead@example.org"
SECRET = "a signing secret of the app"


@pytest.fixture(autouse=True)
def one_check(monkeypatch):
    """The other checks pass, as far as these tests are concerned."""
    steps.keep_only(monkeypatch, "lead_approved", "registration")


@pytest.fixture
def slack(settings, db):
    """A workspace with the lead in it, and a service that knows it."""
    with Receivers() as receivers:
        workspace = receivers.received.slack
        workspace.signing_secret = SECRET
        workspace.tokens = {"xoxb-ours"}
        workspace.add_person(LEAD)
        settings.SLACK_API_URL = f"{receivers.url}/slack/api"
        settings.SLACK_BOT_TOKEN, settings.SLACK_SIGNING_SECRET = "xoxb-ours", SECRET
        yield workspace


def find_step(request: OnboardingRequest) -> OnboardingStep:
    return OnboardingStep.objects.get(request=request, name="lead_approved")


def ask() -> OnboardingRequest:
    """A request whose lead has been asked."""
    request = steps.ask_for("financial-reporting")
    steps.run_due_steps()
    return request


def press(slack, action: str = "onboarding_approve", *, user: str = "", seconds_off: float = 0.0, **changes):
    """The answer of the service to a press on the newest message with buttons."""
    (message, *_) = [one for one in slack.messages if one.get("blocks")][::-1]
    body = slack.build_press(message["channel"], message["ts"], action, user=user)
    # Counted from now: a long run may begin this test minutes after it was collected.
    at = timezone.now().timestamp() + seconds_off
    return send(slack, changes.get("body", body), slack.sign(body, at=at) | changes.get("headers", {}))


def send(slack, body: bytes, headers: dict[str, str]):
    kind = headers["Content-Type"]
    return Client(enforce_csrf_checks=True).post(
        "/onboarding/slack/", body, content_type=kind, headers=headers
    )


def deliver() -> None:
    """What a worker of the queue control does."""
    for row in Notification.objects.filter(status="waiting").order_by("id"):
        delivery.deliver(row.pk)


def make_older(request: OnboardingRequest, days: float) -> None:
    """As if the lead had been asked ``days`` earlier, and the clock had woken the check."""
    step = find_step(request)
    asked = timezone.now() - timedelta(days=days)
    note = step.outputs | {"asked_at": asked.isoformat()}
    OnboardingStep.objects.filter(pk=step.pk).update(outputs=note, not_before=timezone.now())


def test_the_lead_is_asked_once_and_a_press_decides(slack):
    request = ask()
    engine.wake(request.pk, "lead_approved")
    steps.run_due_steps()
    (message,) = slack.list_direct(LEAD)
    assert "financial-reporting" in message["text"]
    assert request.reference in message["text"]
    assert find_step(request).status == "waiting"
    assert "was asked in Slack" in find_step(request).reason
    assert press(slack).status_code == 200
    request.refresh_from_db()
    assert request.decided_by == LEAD
    steps.run_due_steps()
    assert find_step(request).status == "passed"
    deliver()
    (message,) = slack.list_direct(LEAD)
    assert message["edited"]
    assert message["blocks"] == []
    assert "has approved" in message["text"]


def test_a_no_ends_the_request_and_takes_the_buttons_off(slack):
    request = ask()
    assert press(slack, "onboarding_decline").status_code == 200
    request.refresh_from_db()
    assert (request.status, request.decided_by) == ("rejected", LEAD)
    deliver()
    (message,) = slack.list_direct(LEAD)
    said = f"{request.reference}: {LEAD} has said no. declined by the team lead"
    assert (message["blocks"], message["text"]) == ([], said)


ENDS = {
    "approve on behalf": (
        lambda row: engine.approve(row.pk, actor="sre", on_behalf="on <leave>"),
        "sre has approved on behalf of the team lead: on &lt;leave&gt;",
    ),
    "approve by mail": (
        lambda row: answers.take_answer(mail_link.sign_link(row.reference, LEAD), approves=True),
        f"{LEAD} has approved.",
    ),
    "decline by mail": (
        lambda row: answers.take_answer(mail_link.sign_link(row.reference, LEAD), approves=False),
        f"{LEAD} has said no. declined by the team lead",
    ),
    "reject": (
        lambda row: engine.reject(row.pk, actor="sre", reason="not now"),
        "sre has said no. not now",
    ),
    "cancel": (lambda row: engine.cancel(row.pk, actor="ann"), "ann has cancelled the request."),
}


@pytest.mark.parametrize(("end", "words"), ENDS.values(), ids=ENDS)
def test_however_the_wait_ends_the_buttons_go_at_once(slack, end, words):
    request = ask()
    end(request)
    # Without a step that runs, and without a press.
    deliver()
    (message,) = slack.list_direct(LEAD)
    assert (message["blocks"], message["text"]) == ([], f"{request.reference}: {words}")


@pytest.mark.parametrize(("end", "words"), ENDS.values(), ids=ENDS)
def test_a_wait_that_ends_while_the_question_is_posted_leaves_no_buttons(slack, monkeypatch, end, words):
    post = slack_dialog.post_message

    def post_and_end(*given, **named):
        stamp = post(*given, **named)
        end(OnboardingRequest.objects.get())
        return stamp

    monkeypatch.setattr(slack_dialog, "post_message", post_and_end)
    request = ask()
    deliver()
    (message,) = slack.list_direct(LEAD)
    assert (message["blocks"], message["text"]) == ([], f"{request.reference}: {words}")


def test_a_reminder_that_fails_leaves_the_buttons_because_the_answer_still_counts(slack, settings):
    request = ask()
    make_older(request, 1.1)
    settings.SLACK_BOT_TOKEN = "xoxb-of-somebody-else"
    steps.run_due_steps()
    assert find_step(request).status == "failed"
    settings.SLACK_BOT_TOKEN = "xoxb-ours"
    deliver()
    assert slack.messages[0]["blocks"]
    assert press(slack).status_code == 200
    deliver()
    assert slack.messages[0]["blocks"] == []


def test_a_double_click_and_a_replay_are_one_decision(slack):
    request = ask()
    (message,) = slack.messages
    body = slack.build_press(message["channel"], message["ts"], "onboarding_approve")
    headers = slack.sign(body)
    other = slack.build_press(message["channel"], message["ts"], "onboarding_decline")
    assert send(slack, body, headers).status_code == 200
    # The same callback once more and another press of the same person, before and after the check has passed.
    for _ in range(2):
        assert send(slack, body, headers).status_code == 200
        assert send(slack, other, slack.sign(other)).status_code == 200
        steps.run_due_steps()
    assert OnboardingEvent.objects.filter(request=request, kind="approved").count() == 1
    assert not OnboardingEvent.objects.filter(request=request, kind="rejected").exists()
    deliver()
    assert len(slack.messages) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        {"headers": {"X-Slack-Signature": "v0=" + "0" * 64}},
        {"headers": {"X-Slack-Signature": "v0=é"}},
        {"headers": {"X-Slack-Signature": ""}},
        {"headers": {"X-Slack-Request-Timestamp": "soon"}},
        {"headers": {"X-Slack-Request-Timestamp": "9" * 30}},
        {"headers": {"X-Slack-Request-Timestamp": ""}},
        {"body": b"payload=%7B%7D"},
        {"body": b"\xff\xfe"},
        {"seconds_off": -301},
        {"seconds_off": 400},
        {"user": "U9999999999"},
    ],
)
def test_what_is_forged_late_or_from_somebody_else_decides_nothing(slack, spoil):
    request = ask()
    assert press(slack, **spoil).status_code == 403
    request.refresh_from_db()
    assert request.decided_at is None


@pytest.mark.parametrize(
    "payload",
    [
        "no json",
        "[]",
        '{"type": "block_actions", "actions": []}',
        '{"type": "view_submission"}',
        '{"type": "block_actions", "actions": [{"action_id": "other", "value": "x"}]}',
    ],
)
def test_what_is_not_one_of_our_buttons_is_taken_and_ignored(slack, payload):
    request = ask()
    body = urlencode({"payload": payload}).encode()
    assert send(slack, body, slack.sign(body)).status_code == 200
    request.refresh_from_db()
    assert request.decided_at is None


def test_a_press_on_another_message_or_for_another_request_is_refused(slack):
    first = ask()
    steps.ask_for("other-repo")
    steps.run_due_steps()
    (message, other) = slack.messages
    body = slack.build_press(message["channel"], message["ts"], "onboarding_approve")
    text = body.decode().replace(message["ts"].replace(".", "."), other["ts"])
    assert send(slack, text.encode(), slack.sign(text.encode())).status_code == 403
    unknown = body.decode().replace(first.reference, "ONB-AAAAA").encode()
    assert send(slack, unknown, slack.sign(unknown)).status_code == 403
    assert not OnboardingRequest.objects.exclude(decided_at=None).exists()


def test_a_callback_that_is_too_long_or_without_a_secret_is_not_read(slack, settings):
    ask()
    body = b"payload=" + b"x" * 70_000
    assert send(slack, body, slack.sign(body)).status_code == 413
    settings.SLACK_SIGNING_SECRET = ""
    assert press(slack).status_code == 404
    assert Client().get("/onboarding/slack/").status_code == 405


@pytest.mark.parametrize("state", ["unknown", "deactivated", "bot"])
def test_a_lead_who_is_not_there_is_refused_with_a_cure_and_retried(slack, state):
    slack.people.clear()
    if state != "unknown":
        slack.add_person(LEAD, is_deleted=state == "deactivated", is_bot=state == "bot")
    request = ask()
    step = find_step(request)
    assert step.status == "failed"
    assert "not in the Slack workspace" in step.reason
    assert "an SRE to approve" in step.cure
    slack.people.clear()
    slack.add_person(LEAD)
    engine.retry(request.pk, actor="ann")
    steps.run_due_steps()
    assert find_step(request).status == "waiting"
    assert len(slack.messages) == 1


def test_a_token_that_slack_refuses_is_for_operators(slack, settings):
    settings.SLACK_BOT_TOKEN = "xoxb-of-somebody-else"
    step = find_step(ask())
    assert (step.status, "invalid_auth" in step.reason) == ("failed", True)
    assert "SLACK_BOT_TOKEN" in step.cure


def test_slack_asks_to_wait_and_is_left_alone_for_as_long(slack):
    slack.rate_limits.append(90)
    step = find_step(ask())
    assert step.status == "waiting"
    assert "ratelimited" in step.reason
    assert 85 < (step.not_before - timezone.now()).total_seconds() <= 91
    OnboardingStep.objects.filter(pk=step.pk).update(not_before=timezone.now())
    steps.run_due_steps()
    assert len(slack.messages) == 1


def test_an_attempt_that_was_lost_after_posting_posts_no_second_message(slack, monkeypatch):
    post = slack_dialog.post_message

    def post_and_die(*given, **named):
        post(*given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(slack_dialog, "post_message", post_and_die)
    with pytest.raises(KeyboardInterrupt):
        ask()
    monkeypatch.setattr(slack_dialog, "post_message", post)
    request = OnboardingRequest.objects.get()
    OnboardingStep.objects.filter(request=request, name="lead_approved").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert engine.take_back_lost_steps() == 1
    steps.run_due_steps()
    assert len(slack.messages) == 1
    assert press(slack).status_code == 200


def test_reminded_once_after_a_day_and_over_after_three(slack):
    request = ask()
    make_older(request, 1.1)
    steps.run_due_steps()
    make_older(request, 1.5)
    steps.run_due_steps()
    assert ["reminder" in one["text"] for one in slack.messages] == [False, True]
    make_older(request, 3.1)
    steps.run_due_steps()
    request.refresh_from_db()
    assert request.status == "expired"
    assert "has not answered for three days" in find_step(request).reason
    # Late, and faster than the worker who changes the message.
    assert press(slack).status_code == 200
    request.refresh_from_db()
    assert (request.status, request.decided_at) == ("expired", None)
    deliver()
    assert "three days have passed" in slack.messages[0]["text"]
    assert slack.messages[0]["blocks"] == []


def test_what_people_typed_is_no_markup_in_slack(slack):
    asker = User.objects.create_user("ann", "<!channel>&<http://evil.test|x>@example.org")
    steps.ask_for("financial-reporting", requested_by=asker)
    steps.run_due_steps()
    assert "&lt;!channel&gt;&amp;&lt;http" in slack.messages[0]["text"]


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_the_same_moment_are_one_decision(slack):
    request = ask()
    (message,) = slack.messages
    bodies = [
        slack.build_press(message["channel"], message["ts"], name)
        for name in ("onboarding_approve", "onboarding_decline")
    ]
    codes: list[int] = []
    at_once = threading.Barrier(2)

    def go(body: bytes) -> None:
        from django.db import connection  # noqa: PLC0415 - of this thread

        at_once.wait()
        codes.append(send(slack, body, slack.sign(body)).status_code)
        connection.close()

    threads = [threading.Thread(target=go, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200, 200]
    assert OnboardingEvent.objects.filter(request=request, kind__in=["approved", "rejected"]).count() == 1


# --- by mail


@pytest.fixture
def by_mail(settings, db):
    settings.EMAIL_HOST, settings.PUBLIC_URL = "mail.example.org", "https://blocks.example.org"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def list_questions() -> list[mail.EmailMessage]:
    """The mails that ask; others tell of the turns of a request."""
    return [one for one in mail.outbox if "/onboarding/approve/" in str(one.body)]


def read_link() -> str:
    (sent,) = list_questions()
    return re.search(r"https://blocks\.example\.org(/onboarding/approve/\S+)", str(sent.body)).group(1)


def test_without_slack_a_mail_asks_and_only_the_button_decides(by_mail):
    request = ask()
    engine.wake(request.pk, "lead_approved")
    steps.run_due_steps()
    deliver()
    (sent,) = list_questions()
    assert sent.to == [LEAD]
    link = read_link()
    # The link passed the redaction whole.
    assert redact_text(str(sent.body))[0] == sent.body
    scanner = Client()
    for _ in range(2):
        assert "Approve" in scanner.get(link).content.decode()
    request.refresh_from_db()
    assert request.decided_at is None
    assert Client(enforce_csrf_checks=True).post(link, {"answer": "approve"}).status_code == 403
    assert "Approved" in scanner.post(link, {"answer": "approve"}).content.decode()
    request.refresh_from_db()
    assert request.decided_by == LEAD
    # Used: the second press says so, and decides nothing.
    again = scanner.post(link, {"answer": "decline"})
    assert again.status_code == 409
    assert "approved already" in again.content.decode()
    assert "decided already" in scanner.get(link).content.decode()
    steps.run_due_steps()
    assert find_step(request).status == "passed"


def test_a_reminder_by_mail_comes_once(by_mail):
    request = ask()
    for _ in range(2):
        make_older(request, 1.2)
        steps.run_due_steps()
    deliver()
    assert [one.subject.startswith("Reminder: ") for one in list_questions()] == [False, True]


@pytest.mark.parametrize("spoil", ["signature", "other request", "other lead", "old", "nonsense"])
def test_a_link_that_is_not_ours_or_too_old_is_refused(by_mail, spoil, settings):
    request = ask()
    signed = mail_link.sign_link(request.reference, LEAD)
    match spoil:
        case "signature":
            signed = signed[:-1] + ("a" if signed[-1] != "a" else "b")
        case "other request":
            other = steps.ask_for("other-repo")
            signed = signed.replace(request.reference, other.reference)
        case "other lead":
            signed = mail_link.sign_link(request.reference, "somebody@example.org")
        case "old":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("django.core.signing.time.time", lambda: timezone.now().timestamp() - 260_000)
                signed = mail_link.sign_link(request.reference, LEAD)
        case _:
            signed = "<script>alert(1)"
    for method in ("get", "post"):
        answer = getattr(Client(), method)(f"/onboarding/approve/{signed}/", {"answer": "approve"})
        assert answer.status_code == 403
        assert "<script>alert" not in answer.content.decode()
    request.refresh_from_db()
    assert request.decided_at is None


def test_with_neither_an_sre_is_named(db):
    step = find_step(ask())
    assert step.status == "waiting"
    assert "An SRE approves" in step.reason


def test_every_answer_of_the_local_slack_has_slacks_shape(slack):
    """What the receiver answers is what its documentation shows, also where it refuses."""
    from django.conf import settings as now  # noqa: PLC0415
    from slack_sdk import WebClient  # noqa: PLC0415
    from slack_sdk.errors import SlackApiError  # noqa: PLC0415

    client = WebClient(token="xoxb-ours", base_url=f"{now.SLACK_API_URL}/", retry_handlers=[])
    person = client.users_lookupByEmail(email=LEAD)["user"]["id"]
    channel = client.conversations_open(users=person)["channel"]["id"]
    assert client.conversations_open(users=person)["already_open"]
    stamp = client.chat_postMessage(channel=channel, text="hello")["ts"]
    assert client.chat_update(channel=channel, ts=stamp, text="changed")["ok"]
    refused = {
        "users_not_found": lambda: client.users_lookupByEmail(email="nobody@example.org"),
        "user_not_found": lambda: client.conversations_open(users="U0"),
        "channel_not_found": lambda: client.chat_postMessage(channel="D0", text="x"),
        "message_not_found": lambda: client.chat_update(channel=channel, ts="1.0", text="x"),
        "invalid_blocks": lambda: client.chat_postMessage(
            channel=channel, text="x", blocks=[{"type": "actions"}]
        ),
        "msg_too_long": lambda: client.chat_postMessage(channel=channel, text="x" * 40_001),
    }
    for code, call in refused.items():
        with pytest.raises(SlackApiError) as caught:
            call()
        assert caught.value.response["error"] == code
    slack.scopes.discard("im:write")
    with pytest.raises(SlackApiError) as caught:
        client.conversations_open(users=person)
    assert caught.value.response["error"] == "missing_scope"
    assert json.dumps(slack.messages)
