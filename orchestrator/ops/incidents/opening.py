"""How an incident opens: by a person, by an alert, or by the trigger of a rollback.

**The key of deduplication** is the name of the alert and those of ``KEY_LABELS`` that it has, as
``name{label="value",...}`` with the labels in the order of the alphabet. While an incident with that key is
not resolved, an alert with the same key joins it, and a higher severity raises it. Everything else is not
part of the key: which replica of Prometheus or of an exporter has seen it, and how high the figure is. An
incident of a person has no key, because two people may mean different things by the same words.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orchestrator.core import database
from orchestrator.flows.models import Flow
from orchestrator.ops.incidents import escalation, timeline
from orchestrator.ops.incidents.models import (
    EntryKind,
    Incident,
    IncidentSeverity,
    IncidentSource,
    IncidentStatus,
)
from orchestrator.ops.notifications.happenings import announce
from orchestrator.ops.notifications.models import Topic
from orchestrator.repos.models import Repo

# What an alert is about. Labels such as replica, instance or pod tell who has seen it, and are not here.
KEY_LABELS: Final = ("kind", "name", "provider", "queue", "repo", "source", "trigger")
MOST_REPOS: Final = 200
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"


def write_key(name: str, labels: Mapping[str, str]) -> str:
    """The key of deduplication of an alert, at most 500 characters."""
    chosen = [f'{label}="{labels[label]}"' for label in sorted(KEY_LABELS) if labels.get(label)]
    return f"{name}{{{','.join(chosen)}}}"[:500]


def open_incident(
    title: str,
    severity: str,
    *,
    actor: str,
    source: IncidentSource = IncidentSource.PERSON,
    commander: str = "",
    detected_at: datetime | None = None,
    repos: Iterable[Repo] = (),
    dedup_key: str = "",
    told: bool = False,
) -> tuple[Incident, bool]:
    """Open an incident, or join the one that is open under ``dedup_key``; whether it is new.

    Without a commander INCIDENT_COMMANDER leads. ``told`` says that Alertmanager has told the channels.
    """
    # Refused here and not by the constraint, whose message is for us and not for the caller.
    severity = IncidentSeverity(severity).value
    with transaction.atomic():
        if dedup_key:
            # A lock before the look: both of two alerts would find nothing, and the second would fail.
            database.fetch_rows(_LOCK, {"key": f"incident {dedup_key}"})
            known = Incident.objects.select_for_update().filter(
                ~Q(status=IncidentStatus.RESOLVED), dedup_key=dedup_key
            )
            if (found := known.first()) is not None:
                _join(found, severity, repos, actor, told=told)
                return found, False
        now = timezone.now()
        incident = Incident(
            title=title[:200],
            severity=severity,
            source=source,
            dedup_key=dedup_key,
            commander=(commander or settings.INCIDENT_COMMANDER)[:150],
            detected_at=min(detected_at or now, now),
            opened_at=now,
            opened_by=actor[:150],
        )
        incident.save(force_insert=True)
        incident.repos.set(list(repos)[:MOST_REPOS])
        _write_opening(incident, actor)
        escalation.begin(incident, told=told)
        incident.save(update_fields=["escalation_step", "escalate_at"])
    return incident, True


def _write_opening(incident: Incident, actor: str) -> None:
    text = f"{incident.severity} opened: {incident.title}. Commander: {incident.commander}."
    timeline.add_entry(incident, EntryKind.OPENED, text, actor=actor, at=incident.opened_at)
    announce(Topic.INCIDENT_OPENED, list_facts(incident, actor))


def list_facts(incident: Incident, actor: str) -> dict[str, object]:
    """What webhooks and subscribers are told of an incident."""
    return {
        "incident": incident.pk,
        "severity": incident.severity,
        "title": f"Incident {incident.pk} ({incident.severity}): {incident.title}",
        "status": incident.status,
        "commander": incident.commander,
        "detected_at": incident.detected_at.isoformat(),
        "repos": sorted(incident.repos.values_list("name", flat=True)),
        "by": actor,
    }


def _join(incident: Incident, severity: str, repos: Iterable[Repo], actor: str, *, told: bool) -> None:
    incident.repos.add(*list(repos)[:MOST_REPOS])
    # As texts, P1 comes before P2.
    if severity < incident.severity:
        change_severity(incident, severity, actor=actor, told=told)


def change_severity(incident: Incident, severity: str, *, actor: str, told: bool = False) -> None:
    """Raise or lower the severity of an incident whose row the caller has locked.

    A higher one tells its channels, and wakes people again although somebody has acknowledged the lower one.
    """
    before = incident.severity
    # The same again is what every repeated alert says.
    if severity == before:
        return
    text = f"{before} is now {severity}."
    timeline.add_entry(incident, EntryKind.SEVERITY, text, actor=actor)
    incident.severity = severity
    if severity < before:
        incident.status, incident.acknowledged_until = IncidentStatus.OPEN, None
        if not told:
            # Raised twice to the same severity, in between lowered, it is told of each time.
            raised = incident.entries.filter(kind=EntryKind.SEVERITY).count()
            escalation.tell(incident, "incident_opened", f"raised:{raised}")
        escalation.schedule_step(incident, 0, timezone.now())
    elif severity not in escalation.ESCALATED_SEVERITIES:
        incident.escalate_at = None
    incident.save(
        update_fields=["severity", "status", "acknowledged_until", "escalation_step", "escalate_at"]
    )


def find_repos_with_failures(*, hours: float = 1.0) -> list[Repo]:
    """The repos of which flows failed lately, for an alert that names none."""
    since = timezone.now() - timedelta(hours=hours)
    failed = Flow.objects.filter(status="failed", finished_at__gt=since)
    return list(Repo.objects.filter(pk__in=failed.values("repo"))[:MOST_REPOS])
