"""Wishes of people and repos: what they hear, once, at which hour, how often; signed webhooks."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestrator.core import outbox
from orchestrator.core.models import OutgoingEvent
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.notifications import delivery, message_templates, subscriptions
from orchestrator.ops.notifications.message_templates import MessageTemplateError
from orchestrator.ops.notifications.models import Notification, Subscription
from orchestrator.ops.notifications.webhook_secret import derive_secret
from orchestrator.repos import tokens
from tests import scenes

ALL = ["flow.cancelled", "flow.failed", "flow.passed"]


@pytest.fixture
def receivers(settings, transactional_db, monkeypatch):
    """Receivers, and a worker that gets each task at once."""
    monkeypatch.setattr(delivery.app, "send_task", lambda _, args, **__: delivery.deliver(*args))
    settings.CLONE_PRIVATE_HOSTS = frozenset({"127.0.0.1"})
    settings.SLACK_BOT_TOKEN = "xoxb-" + "1" * 12
    with Receivers() as running:
        settings.SLACK_API_URL = f"{running.url}/slack/api"
        yield running


def subscribe(notifier="slack", target="#blocks-help", **fields) -> Subscription:
    return Subscription.objects.create(notifier=notifier, target=target, **{"topics": ALL, **fields})


def subscribe_webhook(receivers, **fields) -> Subscription:
    made = subscribe("webhook", f"{receivers.url}/signed-webhook", **fields)
    receivers.received.webhook_secret = derive_secret(made.key)
    return made


def deliver_everything() -> None:
    # What is written about an end is delivered at the next look.
    for _ in range(3):
        OutgoingEvent.objects.filter(subscriber__startswith="flow.ended/").update(due_at=timezone.now())
        outbox.deliver_due_events()


@pytest.mark.parametrize("end", ["passed", "failed", "cancelled"])
def test_the_end_of_a_flow_is_told_by_a_signed_webhook(receivers, end):
    subscribe_webhook(receivers)
    made = scenes.make_flow()
    if end == "cancelled":
        scenes.cancel_flow(made)
    else:
        scenes.run_through(made, gates_fail=end == "failed")
    deliver_everything()
    (body,) = receivers.received.signed.values()
    assert body["type"] == f"flow.{end}"
    assert body["data"]["flow_id"] == made.pk
    assert body["data"]["error_code"] == ("gate:mutation-failed" if end == "failed" else "")


def test_nobody_subscribed_costs_nothing(receivers):
    subscribe(repo=scenes.make_repo("another"))
    subscribe(is_active=False)
    scenes.run_through(scenes.make_flow())
    assert not OutgoingEvent.objects.exists()


def test_a_wish_is_for_a_repo_and_for_topics(receivers):
    subscribe(repo=scenes.make_repo("another"))
    subscribe(topics=["flow.passed"])
    gone = User.objects.create_user("gone", is_active=False)
    subscribe(person=gone)
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    deliver_everything()
    assert not Notification.objects.exists()


def test_an_event_that_comes_twice_is_told_once(receivers):
    subscribe()
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    event = OutgoingEvent.objects.get(subscriber="flow.ended/subscriptions")
    assert subscriptions.tell_of_end(event)
    assert subscriptions.tell_of_end(event)
    (message,) = receivers.received.slack_messages
    assert "Capital ratio" in message["text"]
    assert "To do: Describe the limits in the request." in message["text"]


def test_a_webhook_that_was_sent_again_has_the_same_id(receivers):
    subscribe_webhook(receivers)
    receivers.received.lose_next_answer = True
    scenes.run_through(scenes.make_flow())
    deliver_everything()
    notification = Notification.objects.get()
    assert notification.status == "waiting"
    # The receiver rests for a while after each failure.
    Subscription.objects.update(rests_until=None)
    delivery.deliver(notification.pk)
    assert (len(receivers.received.signed), receivers.received.repeats) == (1, 1)


def test_a_webhook_with_another_secret_is_refused(receivers):
    subscribe_webhook(receivers)
    receivers.received.webhook_secret = "whsec_" + "A" * 44
    scenes.run_through(scenes.make_flow())
    deliver_everything()
    assert Notification.objects.get().error_message == "The webhook answers 401."


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.8/x",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://u:p@example.org/",
    ],
)
def test_a_webhook_never_calls_the_inside_of_the_network(receivers, settings, target):
    settings.CLONE_PRIVATE_HOSTS = frozenset()
    subscribe("webhook", target)
    scenes.run_through(scenes.make_flow())
    deliver_everything()
    assert Notification.objects.get().status == "given_up"


@pytest.mark.parametrize(
    ("severity", "at", "until"),
    [
        ("P3", "23:30", "2026-03-03T06:00+00:00"),
        ("P3", "02:00", "2026-03-02T06:00+00:00"),
        ("P3", "12:00", None),
        ("P3", "07:00", None),
        ("P1", "23:30", None),
    ],
)
def test_quiet_hours_hold_up_everything_but_p1(severity, at, until):
    wish = Subscription(quiet_from=time(22), quiet_until=time(7), time_zone="Europe/Berlin")
    # Berlin's winter is an hour ahead.
    now = datetime.fromisoformat(f"2026-03-02T{at}+01:00").astimezone(UTC)
    found = subscriptions.find_end_of_quiet_hours(wish, severity, now)
    assert found == (until and datetime.fromisoformat(until))


def test_what_waits_for_the_morning_is_sent_then(receivers):
    notification = delivery.notify(
        "slack", "#blocks-help", "x", not_before=timezone.now() + timedelta(hours=8)
    )
    event = OutgoingEvent.objects.get()
    # A wait that was wished for does not count as an attempt, however long it takes.
    assert (event.attempts, event.due_at) == (0, notification.not_before)
    delivery.deliver(notification.pk)
    assert not receivers.received.slack_messages
    Notification.objects.update(not_before=timezone.now())
    OutgoingEvent.objects.update(due_at=timezone.now())
    outbox.deliver_due_events()
    assert len(receivers.received.slack_messages) == 1


def test_a_channel_gets_so_many_a_minute_and_p1_always(receivers, settings):
    settings.NOTIFICATIONS_PER_MINUTE = 2
    for number in range(4):
        delivery.notify("slack", "#blocks-help", f"message {number}")
    delivery.notify("slack", "#blocks-help", "urgent", severity="P1")
    delivery.notify("slack", "#ops-alerts", "another channel")
    texts = [message["text"] for message in receivers.received.slack_messages]
    assert texts == ["message 0", "message 1", "urgent", "another channel"]
    held = Notification.objects.filter(status="waiting")
    assert all(timezone.now() < one.not_before < timezone.now() + timedelta(seconds=61) for one in held)
    # A minute later there is room again.
    Notification.objects.filter(status="sent").update(sent_at=timezone.now() - timedelta(seconds=61))
    held.update(not_before=None)
    for one in held:
        delivery.deliver(one.pk)
    assert len(receivers.received.slack_messages) == 6


def test_every_template_reads_with_its_example():
    shown = message_templates.list_templates()
    assert len(shown) >= 8
    for template in shown:
        assert message_templates.render_template(template.name, template.example).body
    with pytest.raises(MessageTemplateError, match="reason"):
        message_templates.render_template("repo_disabled", {})


def test_an_operator_sees_templates_dead_letters_and_sends_again(receivers):
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    page = client.get(reverse("admin:notifications_notification_show_templates")).content.decode()
    assert "Onboarding Complete: auth-service" in page
    lost = delivery.notify("slack", "#nobody-has-this", "Lost?")
    kept = delivery.notify("slack", "#engineering", "Fine.")
    listed = client.get("/admin/notifications/deadletter/").content.decode()
    assert "channel_not_found" in listed
    assert "Correct the channel" in listed
    assert f"/{kept.pk}/change" not in listed
    Notification.objects.filter(pk=lost.pk).update(target="#engineering")
    client.post("/admin/notifications/deadletter/", {"action": "send_again", "_selected_action": [lost.pk]})
    assert Notification.objects.get(pk=lost.pk).status == "sent"
    form = {
        "notifier": "webhook",
        "target": "https://example.org/hook",
        "topics": ["flow.failed"],
        "time_zone": "Mars/Base",
        "is_active": "on",
    }
    assert (
        "is not a time zone" in client.post("/admin/notifications/subscription/add/", form).content.decode()
    )
    client.post("/admin/notifications/subscription/add/", {**form, "time_zone": "Europe/Berlin"})
    made = Subscription.objects.get()
    assert (made.topics, made.created_by) == (["flow.failed"], "sre")
    assert (
        derive_secret(made.key)
        in client.get(f"/admin/notifications/subscription/{made.pk}/change/").content.decode()
    )


def test_a_repo_manages_its_webhooks(receivers, service_client):
    service_client(
        "POST",
        "another",
        {"repo": "compliance-service", "url": "https://example.org/hook", "topics": ALL},
        403,
    )
    bad = {"repo": "compliance-service", "url": "http://10.1.2.3/", "topics": ALL}
    service_client("POST", "compliance-service", bad, 422)
    made = service_client("POST", "compliance-service", {**bad, "url": "https://example.org/hook"}, 201)
    secret = made.pop("secret")
    listed = service_client("GET", "compliance-service", {"repo": "compliance-service"}, 200)
    assert listed["results"] == [made]
    now = datetime.now(UTC)
    body = '{"type": "flow.passed"}'
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("m", now, body),
    }
    Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + " ", headers)
    service_client("DELETE", "another", made["id"], 404)
    service_client("DELETE", "compliance-service", made["id"], 204)
    assert not Subscription.objects.exists()


@pytest.fixture
def service_client(transactional_db):
    def ask(method, repo, what, wanted):
        token = tokens.create_token("ci", scenes.make_repo(repo))[1]
        headers = {"Authorization": f"Bearer {token}"}
        path = "/api/v1/webhooks/" if method != "DELETE" else f"/api/v1/webhooks/{what}/"
        client = Client()
        if method == "POST":
            answer = client.post(path, what, content_type="application/json", headers=headers)
        else:
            answer = getattr(client, method.lower())(path, what if method == "GET" else None, headers=headers)
        assert answer.status_code == wanted, answer.content
        return answer.json() if answer.content else None

    scenes.make_repo()
    return ask
