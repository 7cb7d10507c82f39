"""What Alertmanager reports: alerts that fire open incidents, or join them; those that end are noted.

1. A test (``synthetic="true"``), and an alert whose severity is not P1 to P4, opens nothing.
2. An alert that fires opens an incident under its key, see ``opening``, or joins the one that is open. Each
   alert stays visible as a row of its own.
3. Alertmanager repeats messages, and one that was held up may come after a later one: what was written
   already changes nothing.
4. When the last alert of an incident ends, one of P3 or P4 that alerts have opened is resolved. What people
   were woken by, people resolve: somebody has to say that it is over.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from orchestrator.core.redaction import redact_text
from orchestrator.ops.incidents import handling, opening, timeline
from orchestrator.ops.incidents.models import (
    Incident,
    IncidentAlert,
    IncidentSeverity,
    IncidentSource,
    IncidentStatus,
)
from orchestrator.repos.models import Repo

ACTOR: Final = "alertmanager"
# What tells of the one who looked and not of what was seen: two replicas of Prometheus report one alert.
REPLICA_LABELS: Final = frozenset({"replica", "prometheus_replica", "__replica__", "prometheus"})
# The page of an alert is made by Alertmanager in the same receiver that reports it.
_PAGING_RECEIVER: Final = "pagerduty"


@dataclass(frozen=True, slots=True)
class ReportedAlert:
    """One alert of a message."""

    firing: bool
    labels: Mapping[str, str]
    summary: str
    starts_at: datetime
    ends_at: datetime

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]

    @property
    def opens(self) -> bool:
        """Whether its severity opens incidents, and it is not a test."""
        severity = self.labels.get("severity")
        return severity in IncidentSeverity.values and self.labels.get("synthetic") != "true"

    @property
    def fingerprint(self) -> str:
        """The alert without the labels of replicas, as SHA-256: 64 hexadecimal digits."""
        kept = sorted((name, value) for name, value in self.labels.items() if name not in REPLICA_LABELS)
        return hashlib.sha256(repr(kept).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AlertReport:
    """What a message has done: numbers of incidents, and how many alerts open none."""

    opened: Sequence[int]
    joined: Sequence[int]
    ignored: int


def take_report(alerts: Sequence[ReportedAlert], *, receiver: str, group_key: str) -> AlertReport:
    """Open, raise, join and end as the alerts of one message say."""
    page_key = _find_page_key(receiver, group_key)
    opened, joined, ignored = list[int](), list[int](), 0
    # One transaction for each alert: one that cannot be written does not lose the others, and
    # Alertmanager sends the whole message again.
    for alert in alerts:
        if not alert.opens:
            ignored += 1
        elif alert.firing:
            incident, is_new = _take_firing(alert, page_key)
            (opened if is_new else joined).append(incident.pk)
        else:
            joined += _take_end(alert)
    # In the order in which they came, each once: one opened and joined by the same message is opened.
    return AlertReport(
        tuple(dict.fromkeys(opened)), tuple(dict.fromkeys(n for n in joined if n not in opened)), ignored
    )


def _find_page_key(receiver: str, group_key: str) -> str:
    """The key of the page that Alertmanager has sent to PagerDuty for the same group; empty where none."""
    # Alertmanager takes the SHA-256 of the group's key; the webhook of the same receiver is told the key.
    return hashlib.sha256(group_key.encode()).hexdigest() if receiver.startswith(_PAGING_RECEIVER) else ""


def _take_firing(alert: ReportedAlert, page_key: str) -> tuple[Incident, bool]:
    with transaction.atomic():
        incident, is_new = opening.open_incident(
            redact_text(alert.summary)[0] or alert.name,
            alert.labels["severity"],
            actor=ACTOR,
            source=IncidentSource.ALERT,
            detected_at=alert.starts_at,
            repos=_find_repos(alert),
            dedup_key=opening.write_key(alert.name, alert.labels),
            told=True,
        )
        # The row of the incident is locked by the key, so no other message writes its alerts now.
        known = IncidentAlert.objects.filter(incident=incident, fingerprint=alert.fingerprint).first()
        row = known or IncidentAlert(incident=incident, fingerprint=alert.fingerprint)
        if known is None or (known.ends_at is not None and alert.starts_at > known.starts_at):
            row.name, row.severity = alert.name, alert.labels["severity"]
            row.labels = dict(alert.labels)
            row.summary = redact_text(alert.summary)[0]
            row.starts_at, row.ends_at = alert.starts_at, None
            row.page_key = page_key
            row.save()
            at = min(alert.starts_at, timezone.now())
            timeline.add_alert_entry(incident, f"{alert.name} fires: {row.summary}", at=at)
        elif page_key and not row.page_key:
            # Two receivers report a P1, and only one of them pages.
            IncidentAlert.objects.filter(pk=row.pk).update(page_key=page_key)
    return incident, is_new


def _find_repos(alert: ReportedAlert) -> list[Repo]:
    if "repo" in alert.labels:
        return list(Repo.objects.filter(name=alert.labels["repo"]))
    # Figures of everything name no repo: those whose flows fail are the ones that notice.
    return opening.find_repos_with_failures()


def _take_end(alert: ReportedAlert) -> list[int]:
    """Note that the alert has ended; the numbers of the incidents that it belongs to."""
    found = []
    with transaction.atomic():
        # An end from before it began again belongs to the firing before, and ends nothing.
        firing = IncidentAlert.objects.select_related("incident").filter(
            fingerprint=alert.fingerprint, ends_at=None, starts_at__lte=alert.ends_at
        )
        for row in firing.exclude(incident__status=IncidentStatus.RESOLVED):
            # Under the lock of the incident, so that of two alerts that end one is the last.
            incident = Incident.objects.select_for_update().get(pk=row.incident.pk)
            if incident.status == IncidentStatus.RESOLVED:
                continue
            if not IncidentAlert.objects.filter(pk=row.pk, ends_at=None).update(ends_at=alert.ends_at):
                continue
            at = min(alert.ends_at, timezone.now())
            timeline.add_alert_entry(incident, f"{alert.name} is over.", at=at)
            found.append(incident.pk)
            _end_with_alerts(incident)
    return found


def _end_with_alerts(incident: Incident) -> None:
    if incident.alerts.filter(ends_at=None).exists() or incident.source != IncidentSource.ALERT:
        return
    if incident.severity not in handling.REVIEWED_SEVERITIES:
        handling.resolve(incident.pk, actor=ACTOR, text="The last alert is over.")
