"""Rollbacks: what was taken back, who agreed to bring it back, what was said of it, and what triggers saw.

``enforcement`` and ``restoration`` write these rows. A trigger holds the moves of the status, and keeps votes
and decisions as they were written.
"""

from typing import Final

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.repos.models import Repo


class RollbackKind(models.TextChoices):
    """What is rolled back to."""

    PILOT = "pilot", "pilot scope"
    MANUAL = "manual", "manual review"
    VERSION = "version", "previous version"


class RollbackStatus(models.TextChoices):
    """Where a rollback stands. ``asked``: a trigger has paused what it concerns, and waits for people."""

    ASKED = "asked"
    APPLYING = "applying"
    IN_FORCE = "in_force"
    ENDED = "ended"
    DECLINED = "declined"


# The trigger in sql/triggers.sql has the same moves. None leads back: a second rollback is a row of its own.
ROLLBACK_TRANSITIONS: Final = {
    RollbackStatus.ASKED: frozenset({RollbackStatus.APPLYING, RollbackStatus.DECLINED}),
    RollbackStatus.APPLYING: frozenset({RollbackStatus.IN_FORCE}),
    RollbackStatus.IN_FORCE: frozenset({RollbackStatus.ENDED}),
    RollbackStatus.ENDED: frozenset(),
    RollbackStatus.DECLINED: frozenset(),
}
# While one of these stands, nobody begins another of its kind, and no trigger does anything.
NOT_OVER: Final = (RollbackStatus.ASKED, RollbackStatus.APPLYING, RollbackStatus.IN_FORCE)


class RunningFlows(models.TextChoices):
    """What happens to flows of affected repos that run."""

    DRAIN = "drain"
    CANCEL = "cancel"


class Rollback(models.Model):
    """One rollback. ``trigger`` is what has begun it, empty for a person.

    ``incident`` is the number of its incident, whose timeline tells what happened. No foreign key: rooms of
    operations keep their own tables.
    """

    kind = models.CharField(max_length=10, choices=RollbackKind)
    status = models.CharField(max_length=10, choices=RollbackStatus)
    trigger = models.CharField(max_length=30, blank=True, default="", db_default="")
    flows = models.CharField(max_length=10, choices=RunningFlows)
    reason = models.TextField()
    actor = models.CharField(max_length=150)
    # Never empty: what a rollback does is told on a timeline from its first moment.
    incident = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    # After the last flow was cancelled; for new flows it is in force from the first moment.
    in_force_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=RollbackKind.values), name="rollback_kind_known"),
            models.CheckConstraint(
                condition=Q(status__in=RollbackStatus.values), name="rollback_status_known"
            ),
            models.CheckConstraint(condition=Q(flows__in=RunningFlows.values), name="rollback_flows_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="rollback_has_reason"),
            # Of a trigger and a person at the same moment, one begins it.
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(status__in=["asked", "applying", "in_force"]),
                name="rollback_once_per_kind",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["ended", "declined"], ended_at__isnull=False)
                | (~Q(status__in=["ended", "declined"]) & Q(ended_at__isnull=True)),
                name="rollback_over_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"Rollback {self.pk} to {self.get_kind_display()}: {self.status}"

    @property
    def key(self) -> str:
        """What names it at repos and at onboarding."""
        return f"rollback-{self.pk}"


class RollbackRepo(models.Model):
    """A repo that a rollback has switched off, or (``held``) only paused while it asks."""

    # Protected everywhere below: who took what back, and who agreed, is kept for good.
    rollback = models.ForeignKey(Rollback, on_delete=models.PROTECT, related_name="repos")
    repo = models.ForeignKey(Repo, on_delete=models.PROTECT, related_name="+")
    # Ours to release: a repo that somebody had paused before is not.
    held = models.BooleanField(default=False, db_default=False)
    restored_at = models.DateTimeField(null=True, blank=True)
    restored_by = models.CharField(max_length=150, blank=True, default="", db_default="")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["rollback", "repo"], name="rollback_repo_once")]

    def __str__(self) -> str:
        return f"{self.repo} in rollback {self.rollback.pk}"


class VoterRole(models.TextChoices):
    """Whose GO it takes: the launch runbook's three."""

    PM = "pm", "PM"
    TL = "tl", "TL"
    SRE = "sre", "SRE"


class VoteVerdict(models.TextChoices):
    """What somebody says to bringing a repo back."""

    GO = "go", "GO"
    NO = "no", "NO"


class RollbackVote(models.Model):
    """What a person says to bringing ``repo`` back; without a repo, to ending a rollback that has none."""

    rollback = models.ForeignKey(Rollback, on_delete=models.PROTECT, related_name="votes")
    repo = models.ForeignKey(Repo, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    role = models.CharField(max_length=3, choices=VoterRole)
    # The name of a token or of an account: one for each person, or three GO say nothing.
    person = models.CharField(max_length=150)
    verdict = models.CharField(max_length=2, choices=VoteVerdict)
    reason = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now())
    # Set at the vote, so that another setting later neither revives nor ends it.
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=VoterRole.values), name="rollback_vote_role_known"),
            models.CheckConstraint(condition=Q(verdict__in=VoteVerdict.values), name="rollback_vote_known"),
            models.CheckConstraint(condition=~Q(person=""), name="rollback_vote_has_person"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.person}: {self.get_verdict_display()}"


class AnnouncementStatus(models.TextChoices):
    """Where a draft stands: nothing is said before a person has looked at it."""

    DRAFT = "draft"
    SENT = "sent"
    DROPPED = "dropped"


class Announcement(models.Model):
    """What is to be said of a rollback, in the launch runbook's words, to one channel or address."""

    rollback = models.ForeignKey(Rollback, on_delete=models.PROTECT, related_name="announcements")
    # Which of the launch runbook's texts it is; its severity is read from there when it is sent.
    template = models.CharField(max_length=50)
    notifier = models.CharField(max_length=20)
    target = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    # As drafted, and in the sender's words where they chose others.
    body = models.TextField()
    status = models.CharField(
        max_length=10,
        choices=AnnouncementStatus,
        default=AnnouncementStatus.DRAFT,
        db_default=AnnouncementStatus.DRAFT,
    )
    decided_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=AnnouncementStatus.values), name="announcement_status_known"
            ),
            # One draft for each receiver, however often the step that writes it runs.
            models.UniqueConstraint(
                fields=["rollback", "template", "notifier", "target"], name="announcement_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.target}: {self.status}"


class TriggerState(models.Model):
    """What a trigger saw last. ``armed``: it may act; set again when the figure is not beyond its limit any
    longer and nothing is rolled back.

    ``beyond`` counts looks in a row at which the figure was beyond its limit. ``first_checked_at`` is when
    the deployment began, as far as dry runs go.
    """

    name = models.CharField(primary_key=True, max_length=30)
    verdict = models.CharField(max_length=20)
    value = models.FloatField(null=True, blank=True)
    samples = models.PositiveBigIntegerField(default=0, db_default=0)
    detail = models.CharField(max_length=300, blank=True, default="", db_default="")
    # In the row and not in a process: a restart must not make a trigger act twice.
    armed = models.BooleanField(default=True, db_default=True)
    # Beside the verdict, because one look beyond the limit is not a reason yet.
    beyond = models.PositiveIntegerField(default=0, db_default=0)
    checked_at = models.DateTimeField(db_default=Now())
    first_checked_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}"


class DecisionKind(models.TextChoices):
    """What a trigger decided."""

    ACTED = "acted"
    ASKED = "asked"
    DRY_RUN = "dry_run"
    NOT_ENOUGH_DATA = "not_enough_data"


class TriggerDecision(models.Model):
    """What a trigger decided, and on which figure."""

    trigger = models.CharField(max_length=30)
    decision = models.CharField(max_length=20, choices=DecisionKind)
    value = models.FloatField(null=True, blank=True)
    samples = models.PositiveBigIntegerField(default=0, db_default=0)
    detail = models.CharField(max_length=300, blank=True, default="", db_default="")
    rollback = models.ForeignKey(
        Rollback, on_delete=models.PROTECT, null=True, blank=True, related_name="decisions"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(decision__in=DecisionKind.values), name="trigger_decision_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.trigger}: {self.decision}"
