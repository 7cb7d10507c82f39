"""Who is told of an incident, and who is told next while nobody acknowledges it.

1. When an incident opens, the channels of its severity are told, as the launch runbook lists them. Where an
   alert has opened it, Alertmanager has told them already.
2. Nobody acknowledges a P1 or P2: after 5, 10 and 15 minutes the next people are told.
3. Somebody acknowledges it: no step follows in any channel, what waits to be sent is not sent any more, and
   PagerDuty is told to stop its own escalation.
4. The acknowledgement ends after INCIDENT_ACKNOWLEDGED_MINUTES, because who acknowledged may have fallen
   asleep: the steps begin again.
5. A process dies in the middle: a step, its message and when the next is due are one transaction, and the
   key of the message follows from the incident and the step.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.ops.incidents import timeline
from orchestrator.ops.incidents.models import EntryKind, Incident, IncidentStatus
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.errors import NotifierNotConfigured
from orchestrator.ops.notifications.message_templates import render_template
from orchestrator.ops.notifications.models import Notification, NotificationStatus, PageAction
from orchestrator.ops.notifications.notifier_protocol import NOTIFIERS

ACTOR: Final = "orchestrator"
# What is left is looked at 10 seconds later.
_BATCH: Final = 20


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """``after`` minutes without an acknowledgement, ``who`` is told."""

    after: timedelta
    who: str


# The launch runbook: primary, secondary, incident commander; then the war room of PM, TL and Business.
STEPS: Final = (
    EscalationStep(timedelta(minutes=5), "the secondary on-call"),
    EscalationStep(timedelta(minutes=10), "the incident commander"),
    EscalationStep(timedelta(minutes=15), "PM, TL and Business"),
)
# The launch runbook's table of severities. The target at PagerDuty is the severity of the event.
CHANNELS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "P1": (("pagerduty", "critical"), ("slack", "#incidents")),
    "P2": (("pagerduty", "error"),),
    "P3": (("slack", "#ops-alerts"),),
    "P4": (("slack", "#blocks-help"),),
}
ESCALATED_SEVERITIES: Final = frozenset({"P1", "P2"})


def begin(incident: Incident, *, told: bool) -> None:
    """Tell of an incident that opens, in its transaction, and start the clock of the escalation.

    ``told``: Alertmanager has told the channels already.
    """
    if not told:
        tell(incident, "incident_opened", "opened")
    schedule_step(incident, 0, incident.opened_at)


def schedule_step(incident: Incident, step: int, since: datetime) -> None:
    """Set when ``step`` is due, counted from ``since``; none where no step is left or people are not woken.

    The caller saves ``escalation_step`` and ``escalate_at``.
    """
    incident.escalation_step = step
    wakes = incident.severity in ESCALATED_SEVERITIES and step < len(STEPS)
    incident.escalate_at = since + STEPS[step].after if wakes else None


def tell(incident: Incident, template: str, event: str, *, who: str = "") -> None:
    """Tell the channels of the severity, and write down whom; ``event`` is what the key follows from."""
    values = describe(incident) | {"who": who}
    message = render_template(template, values)
    told, silent = [], []
    for notifier, target in CHANNELS[incident.severity]:
        # People know channels by their names, and the pager as such.
        name = target if notifier == "slack" else "PagerDuty"
        try:
            NOTIFIERS.get(notifier).check_settings()
        except NotifierNotConfigured as error:
            # An incident opens also where a channel has no key; the timeline says who was not told.
            silent.append(f"{name} ({error.message})")
            continue
        delivery.notify_once(
            uuid5(NAMESPACE_URL, f"blocks:incident:{incident.pk}:{event}:{notifier}"),
            notifier,
            target,
            message.body,
            subject=message.subject,
            severity=incident.severity,
            created_by=ACTOR,
            thread=thread_of(incident),
        )
        told.append(name)
    if told:
        timeline.add_entry(incident, EntryKind.TOLD, f"Told: {', '.join(told)}.", actor=ACTOR)
    if silent:
        timeline.add_entry(incident, EntryKind.TOLD, f"Not told: {', '.join(silent)}.", actor=ACTOR)


def tell_of_end(incident: Incident) -> None:
    """Say that it is over wherever it was told of: Slack in words, PagerDuty by ending the page."""
    message = render_template("incident_resolved", describe(incident))
    # The rows and not the table of channels: a severity that was raised has told those of both.
    told = Notification.objects.filter(thread=thread_of(incident), action=PageAction.TRIGGER)
    for notifier, target in sorted(set(told.values_list("notifier", "target"))):
        if notifier == "slack":
            key = uuid5(NAMESPACE_URL, f"blocks:incident:{incident.pk}:resolved:{target}")
            delivery.notify_once(
                key, notifier, target, message.body, severity=incident.severity, created_by=ACTOR
            )
    _page(incident, PageAction.RESOLVE, "resolved", [thread_of(incident)])


def stop(incident: Incident, event: str) -> None:
    """Stop the escalation in every channel: what waits is not sent, and the pages are acknowledged."""
    waiting = Notification.objects.filter(
        thread=thread_of(incident), action=PageAction.TRIGGER, status=NotificationStatus.WAITING
    )
    waiting.update(
        status=NotificationStatus.GIVEN_UP,
        error_code="notify:overtaken",
        error_message="The incident was acknowledged before this was sent.",
        error_cure="Nothing: somebody has taken the incident.",
    )
    keys = incident.alerts.exclude(page_key="").values_list("page_key", flat=True)
    _page(incident, PageAction.ACKNOWLEDGE, event, [thread_of(incident), *sorted(set(keys))])


def _page(incident: Incident, action: PageAction, event: str, threads: list[str]) -> None:
    """Acknowledge or end pages at PagerDuty, where it was paged at all."""
    try:
        NOTIFIERS.get("pagerduty").check_settings()
    except NotifierNotConfigured:
        return
    own = thread_of(incident)
    was_paged = Notification.objects.filter(thread=own, notifier="pagerduty").exists()
    for thread in threads:
        # A page of Alertmanager's was sent by Alertmanager, so that there is no row to look for.
        if thread == own and not was_paged:
            continue
        delivery.notify_once(
            uuid5(NAMESPACE_URL, f"blocks:incident:{incident.pk}:{event}:{thread}"),
            "pagerduty",
            "critical",
            f"{incident}: {action}",
            severity=incident.severity,
            created_by=ACTOR,
            thread=thread,
            action=action,
        )


def thread_of(incident: Incident) -> str:
    """What joins the messages about one incident, at PagerDuty too."""
    return f"incident-{incident.pk}"


def describe(incident: Incident) -> dict[str, Any]:
    """The values of the message templates."""
    return {
        "number": incident.pk,
        "severity": incident.severity,
        "title": incident.title,
        "commander": incident.commander,
        "url": f"{settings.PUBLIC_URL}/admin/incidents/incident/{incident.pk}/change/",
    }


def run_due_steps() -> int:
    """Escalate what nobody acknowledged, and end acknowledgements that are too old; return how many."""
    now = timezone.now()
    # Numbers first, then one lock and one transaction for each: a slow one holds up no other.
    late = Q(status=IncidentStatus.OPEN, escalate_at__lte=now)
    forgotten = Q(status=IncidentStatus.ACKNOWLEDGED, acknowledged_until__lte=now)
    due = Incident.objects.filter(late | forgotten).order_by("id")
    return sum(_run_step(number, now) for number in list(due.values_list("pk", flat=True)[:_BATCH]))


def _run_step(number: int, now: datetime) -> bool:
    with transaction.atomic():
        # Somebody who acknowledges at this moment holds the row; then there is nothing left to escalate.
        incident = Incident.objects.select_for_update(skip_locked=True).filter(pk=number).first()
        if incident is None:
            return False
        if incident.status == IncidentStatus.ACKNOWLEDGED:
            return _end_acknowledgement(incident, now)
        if incident.status != IncidentStatus.OPEN or not incident.escalate_at or incident.escalate_at > now:
            return False
        step = incident.escalation_step
        text = f"Nobody has acknowledged it: {STEPS[step].who} is told."
        timeline.add_entry(incident, EntryKind.ESCALATED, text, actor=ACTOR)
        # Acknowledgements that ended start the steps again, and each start has messages of its own.
        starts = incident.entries.filter(kind=EntryKind.UNACKNOWLEDGED).count()
        tell(incident, "incident_escalated", f"step:{starts}:{step}", who=STEPS[step].who)
        # Counted from the beginning and not from now, so that a late look does not move the later steps.
        begun = incident.escalate_at - STEPS[step].after
        schedule_step(incident, step + 1, begun)
        incident.save(update_fields=["escalation_step", "escalate_at"])
        return True


def _end_acknowledgement(incident: Incident, now: datetime) -> bool:
    if incident.acknowledged_until is None or incident.acknowledged_until > now:
        return False
    text = f"The acknowledgement by {incident.acknowledged_by} has ended; escalation begins again."
    timeline.add_entry(incident, EntryKind.UNACKNOWLEDGED, text, actor=ACTOR)
    incident.status, incident.acknowledged_until = IncidentStatus.OPEN, None
    schedule_step(incident, 0, now)
    incident.save(update_fields=["status", "acknowledged_until", "escalation_step", "escalate_at"])
    return True
