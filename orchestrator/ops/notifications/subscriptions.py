"""Who hears of what: the wishes of people and repos become messages, once for each event."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.core.models import OutgoingEvent
from orchestrator.flows import representation
from orchestrator.flows.models import FlowEvent
from orchestrator.ops.notifications import delivery, message_templates
from orchestrator.ops.notifications.models import Severity, Subscription, Topic

_SEVERITIES: Final = {Topic.FLOW_FAILED.value: Severity.P4.value}


def tell_of_end(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: write the messages about a flow that has ended.

    It may get the event twice. Each message has a key that follows from the event and the subscription, so
    the second time writes nothing.
    """
    happened = FlowEvent.objects.select_related("flow__repo").filter(pk=event.payload["event"]).first()
    # Deleted with its flow: nobody is told.
    if happened is None:
        return True
    wished = Subscription.objects.filter(Q(repo=None) | Q(repo=happened.flow.repo), is_active=True)
    for subscription in wished.filter(topics__contains=[happened.kind]).select_related("person"):
        if _may_hear(subscription):
            _write_message(subscription, happened)
    return True


def _may_hear(subscription: Subscription) -> bool:
    # Who has left keeps rows, and hears nothing.
    return subscription.person is None or subscription.person.is_active


def _write_message(subscription: Subscription, happened: FlowEvent) -> None:
    flow = happened.flow
    severity = _SEVERITIES.get(happened.kind, Severity.INFO.value)
    facts: dict[str, Any] = {
        "flow_id": flow.pk,
        "repo": flow.repo.name,
        "status": happened.kind.removeprefix("flow."),
        "title": representation.request_title(flow),
        "cost_usd": representation.format_usd(flow.cost_usd),
        "error_code": str(happened.data.get("code", "")),
        "error_message": str(happened.data.get("reason", "")),
        "error_cure": str(happened.data.get("cure", "")),
    }
    if subscription.notifier == "webhook":
        subject, body = (
            happened.kind,
            message_templates.render_webhook(happened.kind, happened.created_at, facts),
        )
    else:
        message = message_templates.render_template("flow_ended", facts)
        subject, body = message.subject, message.body
    with transaction.atomic():
        delivery.notify_once(
            uuid5(NAMESPACE_URL, f"blocks:{happened.pk}:{subscription.key}"),
            subscription.notifier,
            # PagerDuty's target is the severity of its event.
            subscription.target,
            body,
            subject=subject,
            severity=severity,
            subscription=subscription,
            not_before=find_end_of_quiet_hours(subscription, severity, timezone.now()),
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
