"""Messages to people, through the vendors' own clients to receivers on loopback."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.notifications import delivery, webhook_turns
from orchestrator.ops.notifications.errors import NotifierNotConfigured
from orchestrator.ops.notifications.models import Notification, NotificationStatus


@pytest.fixture
def receivers(settings):
    with Receivers() as running:
        settings.SLACK_API_URL = f"{running.url}/slack/api"
        settings.SLACK_BOT_TOKEN = "xoxb-" + "1" * 12
        settings.PAGERDUTY_EVENTS_URL = f"{running.url}/pagerduty/v2/enqueue"
        settings.PAGERDUTY_ROUTING_KEY = "flowengine-test"
        yield running


@pytest.fixture
def written(transactional_db, receivers, monkeypatch):
    """Write a message without a worker: the broker's part is a list of task arguments."""
    monkeypatch.setattr(delivery.app, "send_task", lambda *_, **__: None)
    return delivery.notify


def read_again(notification: Notification) -> Notification:
    return Notification.objects.get(pk=notification.pk)


def test_a_slack_message_arrives_once_with_its_key(written, receivers):
    notification = written("slack", "#engineering", "New onboarding paused.", actor="token:sre")
    delivery.deliver(notification.pk)
    delivery.deliver(notification.pk)
    (message,) = receivers.received.slack_messages
    assert message["text"] == "New onboarding paused."
    assert message["metadata"]["event_payload"] == {"key": str(notification.key)}
    sent = read_again(notification)
    assert (sent.status, sent.receipt, sent.attempts) == ("sent", message["ts"], 1)


def test_an_answer_that_was_lost_does_not_double_the_message(written, receivers):
    notification = written("slack", "#ops-alerts", "Rollback complete.")
    receivers.received.lose_next_answer = True
    delivery.deliver(notification.pk)
    assert read_again(notification).status == NotificationStatus.WAITING
    delivery.deliver(notification.pk)
    assert len(receivers.received.slack_messages) == 1
    assert read_again(notification).status == NotificationStatus.SENT


def test_a_worker_that_died_after_sending_does_not_double_the_message(written, receivers):
    notification = written("slack", "#ops-alerts", "Rollback complete.")
    taken = delivery._take(notification.pk)
    assert taken is not None
    delivery.NOTIFIERS.get("slack").send(taken)
    # Nobody else has it while the worker may only be slow.
    delivery.deliver(notification.pk)
    assert read_again(notification).attempts == 1
    Notification.objects.filter(pk=notification.pk).update(
        sending_since=timezone.now() - webhook_turns.find_lost_after() - timedelta(seconds=1)
    )
    delivery.deliver(notification.pk)
    assert len(receivers.received.slack_messages) == 1
    assert read_again(notification).status == NotificationStatus.SENT


def test_a_worker_that_died_before_sending_does_not_lose_the_message(written, receivers):
    notification = written("slack", "#ops-alerts", "Rollback complete.")
    delivery._take(notification.pk)
    Notification.objects.filter(pk=notification.pk).update(
        sending_since=timezone.now() - webhook_turns.find_lost_after() - timedelta(seconds=1)
    )
    delivery.deliver(notification.pk)
    assert len(receivers.received.slack_messages) == 1


def test_two_workers_with_the_same_task_send_once(written, receivers):
    notification = written("slack", "#engineering", "Once.")

    def work() -> None:
        try:
            delivery.deliver(notification.pk)
        finally:
            # A thread that ends keeps its connection, and the test database could not be dropped.
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(receivers.received.slack_messages) == 1


@pytest.mark.parametrize(("status", "code"), [(429, "ratelimited"), (503, "service_unavailable")])
def test_a_receiver_that_asks_to_wait_gets_the_message_later(written, receivers, status, code):
    notification = written("slack", "#engineering", "Later.")
    receivers.received.refuse_next = [(status, code)]
    delivery.deliver(notification.pk)
    waiting = read_again(notification)
    assert (waiting.status, waiting.error_code) == ("waiting", "notify:unavailable")
    delivery.deliver(notification.pk)
    assert read_again(notification).status == NotificationStatus.SENT


def test_a_channel_that_does_not_exist_is_given_up_with_a_cure_and_can_be_sent_again(written, receivers):
    notification = written("slack", "#nobody-has-this", "Lost?")
    delivery.deliver(notification.pk)
    given_up = read_again(notification)
    assert (given_up.status, given_up.attempts) == ("given_up", 1)
    assert "channel_not_found" in given_up.error_message
    assert "Correct the channel's name" in given_up.error_cure
    Notification.objects.filter(pk=notification.pk).update(target="#engineering")
    assert delivery.send_again(given_up)
    delivery.deliver(notification.pk)
    assert read_again(notification).status == NotificationStatus.SENT
    assert not delivery.send_again(given_up)


def test_after_so_many_attempts_a_message_is_given_up(written, receivers, settings):
    settings.SLACK_API_URL = "http://127.0.0.1:1/api"
    notification = written("slack", "#engineering", "Nobody listens.")
    for _ in range(delivery.MAX_ATTEMPTS):
        delivery.deliver(notification.pk)
    assert read_again(notification).status == NotificationStatus.GIVEN_UP


def test_a_page_has_its_key_so_pagerduty_merges_a_second_one(written, receivers):
    notification = written("pagerduty", "critical", "Over 10 % of flows fail.", subject="P1")
    taken = delivery._take(notification.pk)
    assert taken is not None
    delivery.NOTIFIERS.get("pagerduty").send(taken)
    delivery.NOTIFIERS.get("pagerduty").send(taken)
    (page,) = receivers.received.pages.values()
    assert page["payload"]["severity"] == "critical"
    assert list(receivers.received.pages) == [str(notification.key)]


def test_a_page_that_pagerduty_refuses_is_given_up(written, receivers):
    notification = written("pagerduty", "not a severity", "x")
    delivery.deliver(notification.pk)
    assert read_again(notification).status == NotificationStatus.GIVEN_UP


def test_a_mail_carries_its_key(written, settings):
    settings.EMAIL_HOST = "localhost"
    notification = written("email", "lead@company.com", "Disabled.", subject="Temporary Rollback")
    delivery.deliver(notification.pk)
    (message,) = mail.outbox
    assert message.to == ["lead@company.com"]
    assert str(notification.key) in message.extra_headers["Message-ID"]


def test_a_secret_in_a_message_does_not_leave(written, receivers):
    secret = "sk-ant-api03-" + "A1b2" * 20 + "AA"
    notification = written("slack", "#engineering", f"The key is {secret}.")
    delivery.deliver(notification.pk)
    (message,) = receivers.received.slack_messages
    assert secret not in message["text"]


def test_a_message_is_kept_until_it_is_sent(written, receivers):
    notification = written("slack", "#engineering", "Kept.")
    (event,) = OutgoingEvent.objects.all()
    assert not delivery.send_to_worker(event)
    delivery.deliver(notification.pk)
    assert delivery.send_to_worker(event)


def test_what_is_not_configured_is_refused_before_it_is_written(transactional_db, settings):
    settings.SLACK_BOT_TOKEN = ""
    with pytest.raises(NotifierNotConfigured) as refused:
        delivery.notify("slack", "#engineering", "x")
    assert "SLACK_BOT_TOKEN" in refused.value.cure
    assert not Notification.objects.exists()
