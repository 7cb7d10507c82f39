"""Who hears of what: the wishes of people and repos become messages, once for each event."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.ops.notifications import delivery, happenings, message_templates, webhook_turns
from orchestrator.ops.notifications.happenings import Happening
from orchestrator.ops.notifications.message_templates import FilledMessage
from orchestrator.ops.notifications.models import Notification, Severity, Subscription, Topic

TEST_TOPIC: Final = "webhook.test"
_SEVERITIES: Final = {
    Topic.FLOW_FAILED.value: Severity.P4.value,
    Topic.GATE_FAILED.value: Severity.P4.value,
    Topic.INCIDENT_OPENED.value: Severity.P2.value,
    Topic.ROLLBACK_STARTED.value: Severity.P2.value,
}


def tell_of_end(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: write the messages about a flow that has ended."""
    return _tell(happenings.read_end_of_flow(event))


def tell_of_verdict(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: write the messages about the verdict of a gate."""
    return _tell(happenings.read_verdict(event))


def tell_of_announcement(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: write the messages about what was announced."""
    return _tell(happenings.read_announced(event))


def _tell(happened: Iterable[Happening]) -> bool:
    """Write a message for each who wants to hear of it.

    An event may come twice. Each message has a key that follows from what happened and from the subscription,
    so the second time writes nothing.
    """
    for one in happened:
        wished = Subscription.objects.filter(
            Q(repo=None) | Q(repo=one.repo_id), is_active=True, topics__contains=[one.topic]
        )
        for subscription in wished.select_related("person"):
            _write_message(subscription, one)
    return True


def tell_subscriber(
    subscription: Subscription, event: str, subject: str, body: str, *, severity: str = Severity.INFO.value
) -> None:
    """Write a message for ``subscription``; ``event`` names what it is about, so that it is written once."""
    # Who has left keeps rows, and hears nothing.
    if subscription.person is not None and not subscription.person.is_active:
        return
    with transaction.atomic():
        delivery.notify_once(
            uuid5(NAMESPACE_URL, f"blocks:{event}:{subscription.key}"),
            subscription.notifier,
            # PagerDuty's target is the severity of its event.
            subscription.target,
            body,
            subject=subject,
            severity=severity,
            subscription=subscription,
            not_before=find_end_of_quiet_hours(subscription, severity, timezone.now()),
        )


def _write_message(subscription: Subscription, happened: Happening) -> None:
    # An incident says itself how bad it is: a P1 is told in quiet hours, too.
    known = _SEVERITIES.get(happened.topic, Severity.INFO.value)
    severity = str(happened.facts.get("severity", known))
    if subscription.notifier == "webhook":
        subject = happened.topic
        body = message_templates.render_webhook(happened.topic, happened.at, happened.facts)
    else:
        message = _render_for_people(happened)
        subject, body = message.subject, message.body
    tell_subscriber(subscription, happened.key, subject, body, severity=severity)


def _render_for_people(happened: Happening) -> FilledMessage:
    if happened.topic.startswith("flow."):
        return message_templates.render_template("flow_ended", happened.facts)
    values = {"topic": happened.topic, "repo": "", "cure": "", **happened.facts}
    return message_templates.render_template("happened", values)


def write_test(subscription: Subscription, *, actor: str) -> Notification:
    """A message that tests the way to a webhook, whether or not it is switched on."""
    facts = {"title": "A test of this webhook.", "requested_by": actor}
    with transaction.atomic():
        webhook_turns.end_rest(subscription.pk)
        return delivery.notify(
            "webhook",
            subscription.target,
            message_templates.render_webhook(TEST_TOPIC, timezone.now(), facts),
            subject=TEST_TOPIC,
            actor=actor,
            subscription=subscription,
        )


def find_end_of_quiet_hours(subscription: Subscription, severity: str, now: datetime) -> datetime | None:
    """When the quiet hours end that ``now`` is in; None outside of them, and always for P1."""
    begin, end = subscription.quiet_from, subscription.quiet_until
    if severity == Severity.P1 or begin is None or end is None or begin == end:
        return None
    local = now.astimezone(ZoneInfo(subscription.time_zone))
    at = local.time().replace(tzinfo=None)
    # Quiet hours may lie over midnight: then the evening and the morning are both in them.
    over_midnight = begin > end
    is_quiet = (at >= begin or at < end) if over_midnight else begin <= at < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1) if over_midnight and at >= begin else local.date()
    return datetime.combine(day, end, tzinfo=local.tzinfo).astimezone(UTC)
