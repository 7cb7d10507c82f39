"""What people do to an incident: acknowledge, hand over, note, resolve, review. Each is one transaction."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestrator.core.redaction import redact_text
from orchestrator.ops.incidents import escalation, opening, timeline
from orchestrator.ops.incidents.errors import IncidentResolved, ReviewUnfinished, UnknownIncident
from orchestrator.ops.incidents.models import (
    REVIEW_WITHIN,
    ActionItem,
    EntryKind,
    Incident,
    IncidentEntry,
    IncidentReview,
    IncidentStatus,
)
from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic

NOTE_KINDS: Final = (EntryKind.NOTE, EntryKind.TRIAGE, EntryKind.MITIGATION, EntryKind.UPDATE)
"""What people write: for themselves, the two phases of the review, and an update for everybody."""
# The launch runbook schedules a review for what people were woken by.
REVIEWED_SEVERITIES: Final = escalation.ESCALATED_SEVERITIES
REVIEW_TEXTS: Final = ("root_cause", "went_well", "went_wrong", "lessons")


@contextmanager
def _lock(number: int) -> Iterator[Incident]:
    """The incident, while nobody else changes it; raises ``UnknownIncident`` and ``IncidentResolved``."""
    with transaction.atomic():
        incident = Incident.objects.select_for_update().filter(pk=number).first()
        if incident is None:
            raise UnknownIncident(f"There is no incident {number}.")
        if incident.status == IncidentStatus.RESOLVED:
            raise IncidentResolved(f"Incident {number} is resolved since {incident.resolved_at:%H:%M} UTC.")
        yield incident


def acknowledge(number: int, *, actor: str) -> Incident:
    """Take an incident: escalation stops in every channel, for INCIDENT_ACKNOWLEDGED_MINUTES."""
    with _lock(number) as incident:
        now = timezone.now()
        until = now + timedelta(minutes=settings.INCIDENT_ACKNOWLEDGED_MINUTES)
        incident.status, incident.acknowledged_by = IncidentStatus.ACKNOWLEDGED, actor[:150]
        # The first one ends the clock of the response; a later one only holds on to the incident.
        incident.acknowledged_at = incident.acknowledged_at or now
        incident.acknowledged_until, incident.escalate_at = until, None
        incident.save()
        text = f"Acknowledged until {until:%H:%M} UTC; escalation stops."
        entry = timeline.add_entry(incident, EntryKind.ACKNOWLEDGED, text, actor=actor)
        escalation.stop(incident, f"acknowledged:{entry.pk}")
        announce(Topic.INCIDENT_ACKNOWLEDGED, opening.list_facts(incident, actor))
    return incident


def hand_over(number: int, commander: str, *, actor: str, note: str = "") -> Incident:
    """Let somebody else lead; ``note`` says what they need to know."""
    with _lock(number) as incident:
        # Not bound to the acknowledgement: who has taken it may hand it over and stay awake for a while.
        before, incident.commander = incident.commander, commander[:150]
        incident.save(update_fields=["commander"])
        end = f": {note}" if note else "."
        text = f"{before} hands over to {incident.commander}{end}"
        timeline.add_entry(incident, EntryKind.HANDED_OVER, text, actor=actor)
    return incident


def set_severity(number: int, severity: str, *, actor: str) -> Incident:
    """Raise or lower the severity."""
    with _lock(number) as incident:
        opening.change_severity(incident, severity, actor=actor)
    return incident


def add_note(
    number: int, text: str, *, actor: str, kind: EntryKind = EntryKind.NOTE, at: datetime | None = None
) -> IncidentEntry:
    """Write a note, also to an incident that is resolved: a review finds out what happened when.

    Raises ``UnknownIncident``, ``TimeRefused``, ``ValueError`` for a kind that people do not write.
    """
    if kind not in NOTE_KINDS:
        raise ValueError(f"People do not write entries of the kind {kind}.")
    incident = find_incident(number)
    return timeline.add_entry(incident, kind, text, actor=actor, at=timeline.check_time(at))


def resolve(number: int, *, actor: str, text: str = "") -> Incident:
    """End an incident. A P1 or P2 gets a review, which is due within 48 hours."""
    with _lock(number) as incident:
        now = timezone.now()
        incident.status, incident.resolved_at, incident.resolved_by = (
            IncidentStatus.RESOLVED,
            now,
            actor[:150],
        )
        incident.acknowledged_until = incident.escalate_at = None
        incident.save()
        timeline.add_entry(incident, EntryKind.RESOLVED, text or "Service restored.", actor=actor, at=now)
        if incident.severity in REVIEWED_SEVERITIES:
            IncidentReview.objects.create(incident=incident, due_at=now + REVIEW_WITHIN)
        # Alertmanager's own pages end with their alerts; ours end here.
        escalation.tell_of_end(incident)
        announce(Topic.INCIDENT_RESOLVED, opening.list_facts(incident, actor))
    return incident


def find_incident(number: int) -> Incident:
    """The incident; raises ``UnknownIncident``."""
    incident = Incident.objects.filter(pk=number).first()
    if incident is None:
        raise UnknownIncident(f"There is no incident {number}.")
    return incident


def write_review(
    number: int, texts: Mapping[str, str], *, actor: str, finish: bool = False
) -> IncidentReview:
    """Write parts of a review (``REVIEW_TEXTS``), and finish it; one that was not due is begun."""
    incident = find_incident(number)
    with transaction.atomic():
        # People may begin to write before the end, and may wish for the review of a P3 or P4.
        due_at = (incident.resolved_at or timezone.now()) + REVIEW_WITHIN
        rows = IncidentReview.objects.select_for_update()
        review, _ = rows.get_or_create(incident=incident, defaults={"due_at": due_at})
        for name in REVIEW_TEXTS:
            if name in texts:
                setattr(review, name, redact_text(texts[name])[0])
        if finish:
            if not review.root_cause.strip():
                raise ReviewUnfinished
            review.finished_at, review.finished_by = timezone.now(), actor[:150]
        review.save()
    return review


def add_action(number: int, text: str, *, owner: str, due: date) -> ActionItem:
    """Write down what ``owner`` will do."""
    incident = find_incident(number)
    return ActionItem.objects.create(incident=incident, text=redact_text(text)[0][:500], owner=owner, due=due)


def finish_action(number: int, action: int, *, actor: str) -> ActionItem:
    """Note that an action is done; the second time changes nothing."""
    find_incident(number)
    rows = ActionItem.objects.filter(incident=number, pk=action)
    # A compare-and-set: who was first stays the one who has done it.
    rows.filter(done_at=None).update(done_at=timezone.now(), done_by=actor[:150])
    found = rows.first()
    if found is None:
        raise UnknownIncident(f"Incident {number} has no action {action}.")
    return found
