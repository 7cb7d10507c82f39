"""Incidents: what is wrong, who leads, what happened when, and what was learned.

``opening`` and ``handling`` write these rows. A trigger holds the moves of the status, and keeps the timeline
as it was written.
"""

from datetime import timedelta
from typing import Final

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from orchestrator.repos.models import Repo


class IncidentSeverity(models.TextChoices):
    """How bad an incident is; P1 is the worst."""

    P1 = "P1", "P1 (critical)"
    P2 = "P2", "P2 (high)"
    P3 = "P3", "P3 (medium)"
    P4 = "P4", "P4 (low)"


class IncidentStatus(models.TextChoices):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


# An acknowledgement ends by itself, so the way back to open is one of the moves.
INCIDENT_TRANSITIONS: Final = {
    IncidentStatus.OPEN: frozenset({IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED}),
    IncidentStatus.ACKNOWLEDGED: frozenset({IncidentStatus.OPEN, IncidentStatus.RESOLVED}),
    IncidentStatus.RESOLVED: frozenset(),
}


class IncidentSource(models.TextChoices):
    """What has opened an incident."""

    PERSON = "person"
    ALERT = "alert"
    ROLLBACK = "rollback"


class EntryKind(models.TextChoices):
    """What an entry of the timeline tells of."""

    OPENED = "opened"
    ALERT = "alert"
    TOLD = "told"
    SEVERITY = "severity"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    HANDED_OVER = "handed_over"
    NOTE = "note"
    TRIAGE = "triage"
    MITIGATION = "mitigation"
    UPDATE = "update"
    ROLLBACK = "rollback"
    RESOLVED = "resolved"


# The launch runbook's table of severities. Not settings: reports of different years are compared.
RESOLVE_WITHIN: Final = {
    "P1": timedelta(minutes=15),
    "P2": timedelta(minutes=30),
    "P3": timedelta(hours=2),
    "P4": timedelta(hours=24),
}
REVIEW_WITHIN: Final = timedelta(hours=48)


class Incident(models.Model):
    """Something that is wrong, from its detection to its resolution.

    ``detected_at`` is when it was first seen, by an alert or a person; the clocks of the severity run from
    there and not from ``opened_at``. ``dedup_key`` says what it is about; while an incident with a key is
    not resolved, there is no second one. An acknowledgement holds until ``acknowledged_until``;
    ``escalate_at`` is when the next step of the escalation, number ``escalation_step``, is due.
    """

    # As it was opened: messages went out under it, so it stays although more is known later.
    title = models.CharField(max_length=200)
    severity = models.CharField(max_length=2, choices=IncidentSeverity)
    status = models.CharField(
        max_length=12,
        choices=IncidentStatus,
        default=IncidentStatus.OPEN,
        db_default=IncidentStatus.OPEN,
    )
    source = models.CharField(max_length=10, choices=IncidentSource)
    # Long enough for every label of the key; what is longer is cut, and two incidents become one.
    dedup_key = models.CharField(max_length=500, blank=True, default="", db_default="")
    # A name and not an account: the person on duty may have none here.
    commander = models.CharField(max_length=150)
    # Those known at the opening and those that later alerts name; nothing is taken away again.
    repos = models.ManyToManyField(Repo, blank=True, related_name="incidents")
    detected_at = models.DateTimeField()
    opened_at = models.DateTimeField(db_default=Now())
    opened_by = models.CharField(max_length=150)
    # The first acknowledgement, which ends the clock of the response. The others are in the timeline.
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    acknowledged_until = models.DateTimeField(null=True, blank=True)
    # Kept in the row, so that a restart of the dispatcher neither repeats nor forgets a step.
    escalation_step = models.PositiveSmallIntegerField(default=0, db_default=0)
    escalate_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(severity__in=IncidentSeverity.values), name="incident_severity_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=IncidentStatus.values), name="incident_status_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=IncidentSource.values), name="incident_source_known"
            ),
            models.CheckConstraint(condition=~Q(commander=""), name="incident_has_commander"),
            models.CheckConstraint(
                condition=Q(detected_at__lte=F("opened_at")), name="incident_detected_before_opened"
            ),
            # Of two alerts at the same moment, one opens the incident and the other joins it.
            models.UniqueConstraint(
                fields=["dedup_key"],
                condition=~Q(dedup_key="") & ~Q(status="resolved"),
                name="incident_open_once_per_key",
            ),
            models.CheckConstraint(
                condition=Q(status="acknowledged", acknowledged_until__isnull=False, escalate_at__isnull=True)
                | (~Q(status="acknowledged") & Q(acknowledged_until__isnull=True)),
                name="incident_acknowledged_does_not_escalate",
            ),
            models.CheckConstraint(
                condition=Q(status="resolved", resolved_at__isnull=False, escalate_at__isnull=True)
                | (~Q(status="resolved") & Q(resolved_at__isnull=True)),
                name="incident_resolved_has_time",
            ),
        ]
        indexes = [
            # The status page and the schedule ask for those that are not over, which are few.
            models.Index(fields=["severity"], condition=~Q(status="resolved"), name="incident_unresolved"),
            models.Index(fields=["-detected_at"], name="incident_newest_detected"),
        ]

    def __str__(self) -> str:
        return f"Incident {self.pk} ({self.severity}): {self.title}"


class IncidentEntry(models.Model):
    """One line of a timeline. ``at`` is when it happened; a note may be written later than that."""

    incident_id: int
    # Protected: what happened outlives everybody's wish to forget it.
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="entries", db_index=False)
    kind = models.CharField(max_length=15, choices=EntryKind)
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=150)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["at", "id"]
        verbose_name_plural = "timeline"
        indexes = [models.Index(fields=["incident", "at", "id"], name="incident_entry_order")]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="incident_entry_kind_known")
        ]

    def __str__(self) -> str:
        return f"{self.at:%H:%M} {self.kind}: {self.text[:60]}"


class IncidentAlert(models.Model):
    """An alert that belongs to an incident, and when it fired. ``page_key`` is its page's at PagerDuty."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="alerts", db_index=False)
    name = models.CharField(max_length=100)
    # Of our own making: Alertmanager's has the labels of replicas in it.
    fingerprint = models.CharField(max_length=64)
    severity = models.CharField(max_length=2, choices=IncidentSeverity)
    # All of them, for people to look at; what is compared is the fingerprint.
    labels = models.JSONField(default=dict, db_default={})
    summary = models.TextField(blank=True, default="", db_default="")
    page_key = models.CharField(max_length=100, blank=True, default="", db_default="")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["incident", "fingerprint"], name="incident_alert_once"),
        ]
        indexes = [
            # What has ended is looked up by its fingerprint alone.
            models.Index(fields=["fingerprint", "-id"], name="incident_alert_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.severity})"


class IncidentReview(models.Model):
    """The post-incident review. ``due_at`` is 48 hours after the resolution."""

    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, related_name="review")
    due_at = models.DateTimeField()
    root_cause = models.TextField(blank=True, default="", db_default="")
    went_well = models.TextField(blank=True, default="", db_default="")
    went_wrong = models.TextField(blank=True, default="", db_default="")
    lessons = models.TextField(blank=True, default="", db_default="")
    finished_at = models.DateTimeField(null=True, blank=True)
    finished_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["due_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | ~Q(root_cause=""),
                name="incident_review_finished_has_cause",
            )
        ]

    def __str__(self) -> str:
        return f"Review of incident {self.incident.pk}"


class ActionItem(models.Model):
    """What somebody will do so that an incident does not come again."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="actions")
    text = models.CharField(max_length=500)
    # A name and not an account, as that of the commander.
    owner = models.CharField(max_length=150)
    due = models.DateField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~Q(owner=""), name="action_item_has_owner")]

    def __str__(self) -> str:
        return f"{self.text[:80]} ({self.owner})"


class DeployedVersion(models.Model):
    """A version of this product, and since when it runs here: what a diagnosis compares deploys with."""

    version = models.CharField(max_length=100)
    since = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["-since"], name="deployed_version_newest")]

    def __str__(self) -> str:
        return f"{self.version} since {self.since:%Y-%m-%d %H:%M}"
