"""Stages and their attempts. The stage table is also the queue of messages that are still to be sent."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q

from orchestrator.flows.models.flow import Flow
from orchestrator.flows.models.states import AttemptOutcome, StageStatus
from orchestrator.queues import Queue


class Stage(models.Model):
    """One step of a flow on one queue. The stage table is also the outbox of messages to the queues."""

    id: int
    flow_id: str
    # The unique constraint on flow and position serves as the index.
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="stages", db_index=False)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=50)
    round = models.PositiveSmallIntegerField(default=1, db_default=1)
    queue = models.CharField(max_length=20, choices=[(q.value, q.value) for q in Queue])
    status = models.CharField(
        max_length=10, choices=StageStatus, default=StageStatus.PENDING, db_default=StageStatus.PENDING
    )
    # The fence: a result counts only with the token of the live attempt, so a worker that lost its lease
    # and wakes up late changes nothing.
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True, default="", db_default="")
    attempts_made = models.PositiveIntegerField(default=0, db_default=0)
    # Counted apart: ``crashes`` are leases that ran out, ``failures`` are errors worth another try. A stage
    # that kills workers is given up sooner.
    crashes = models.PositiveSmallIntegerField(default=0, db_default=0)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    # The stages of the same flow that must have passed before this one starts; null in rows from before this
    # was kept, where it is the stage before.
    needs = ArrayField(models.BigIntegerField(), null=True, blank=True)
    # How many of them have not passed yet. The pass that counts it down to none starts this stage: it is in
    # one row, so of two branches that end at the same moment one is the last.
    needs_left = models.PositiveSmallIntegerField(default=0, db_default=0)
    # What a stage that failed asks for: a round of repair. See engine/repair_round.py.
    repair = models.JSONField(default=dict, blank=True, db_default={})
    ready_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    wait_reason = models.TextField(blank=True, default="", db_default="")
    waits_for = models.CharField(max_length=20, blank=True, default="", db_default="")
    # The size of the call that was refused. The dispatcher wakes only as many stages as fit.
    wait_tokens = models.BigIntegerField(default=0, db_default=0)
    wait_nano_usd = models.BigIntegerField(default=0, db_default=0)
    waiting_since = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    sends = models.PositiveIntegerField(default=0, db_default=0)
    # The stage's turn among the repos of its queue; 0 until the dispatcher gives it one.
    fair_tag = models.FloatField(default=0, db_default=0)
    feedback = models.TextField(blank=True, default="", db_default="")
    output = models.JSONField(default=dict, blank=True, db_default={})
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    error_cure = models.TextField(blank=True, default="", db_default="")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["flow_id", "position"]
        constraints = [
            models.UniqueConstraint(
                # Deferred: a repair round inserts stages and shifts the later ones in one update, which
                # doubles positions until the commit.
                fields=["flow", "position"],
                name="stage_position_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                # However many workers and dispatchers race, the database refuses a second live stage of a
                # kind in a flow: no join starts twice.
                fields=["flow", "kind"],
                condition=Q(status__in=["ready", "running", "waiting"]),
                name="stage_one_live_per_kind",
            ),
            models.CheckConstraint(
                # No stage starts early. The trigger flows_stage_needs_passed holds the count against the
                # rows.
                condition=Q(needs_left=0) | Q(status__in=["pending", "skipped", "cancelled"]),
                name="stage_starts_when_nothing_is_left",
            ),
            models.CheckConstraint(
                condition=Q(needs__isnull=True, needs_left=0)
                | Q(needs__isnull=False, needs_left__lte=Func(F("needs"), function="cardinality")),
                name="stage_lacks_no_more_than_it_needs",
            ),
            models.CheckConstraint(condition=Q(status__in=StageStatus.values), name="stage_status_known"),
            models.CheckConstraint(
                # Only a running stage can be fenced or expire. A token that outlived its run would let an
                # old worker finish a stage that is ready again.
                condition=Q(status="running", token__isnull=False, lease_until__isnull=False)
                | (~Q(status="running") & Q(token__isnull=True, lease_until__isnull=True)),
                name="stage_token_iff_running",
            ),
            models.CheckConstraint(
                condition=~Q(status="waiting") | ~Q(wait_reason=""), name="stage_waits_for_a_reason"
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error_code=""), name="stage_failed_has_reason"
            ),
        ]
        indexes = [
            models.Index(
                # In the order in which the dispatcher sends, so that its next batch is the front of the
                # index.
                fields=["queue", "fair_tag", "id"],
                condition=Q(status="ready", sent_at__isnull=True),
                name="stage_unsent",
            ),
            models.Index(
                fields=["queue", "sent_at"],
                # Sent and not claimed yet: counted for the depth of the queue, and sent again when the
                # broker lost the message.
                condition=Q(status="ready", sent_at__isnull=False),
                name="stage_sent",
            ),
            # The three below are partial, because they are read at every tick and ended stages pile up.
            models.Index(fields=["not_before"], condition=Q(status="waiting"), name="stage_waiting"),
            models.Index(fields=["lease_until"], condition=Q(status="running"), name="stage_leases"),
            models.Index(
                fields=["waits_for"],
                condition=Q(status__in=["ready", "running", "waiting"]) & ~Q(waits_for=""),
                name="stage_for_capacity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id} {self.kind}" + (f" round {self.round}" if self.round > 1 else "")


class Attempt(models.Model):
    """One execution of a stage, fenced by its token."""

    stage_id: int
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    token = models.UUIDField(unique=True)
    worker = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(
        max_length=10,
        choices=AttemptOutcome,
        default=AttemptOutcome.RUNNING,
        db_default=AttemptOutcome.RUNNING,
    )
    model = models.CharField(max_length=100, blank=True, default="", db_default="")
    fallback_from = models.CharField(max_length=100, blank=True, default="", db_default="")
    # The prompt of the newest question with its version, such as plan.v3.
    prompt = models.CharField(max_length=50, blank=True, default="", db_default="")
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")

    class Meta:
        ordering = ["stage_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["stage", "number"], name="attempt_number_once"),
            models.UniqueConstraint(
                fields=["stage"], condition=Q(outcome="running"), name="attempt_one_live_per_stage"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=AttemptOutcome.values), name="attempt_outcome_known"
            ),
            models.CheckConstraint(
                condition=Q(outcome="running", finished_at__isnull=True)
                | (~Q(outcome="running") & Q(finished_at__isnull=False)),
                name="attempt_finished_iff_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.stage_id}"


class _StageWaits(models.Manager["StageWait"]):
    """Only what waits, which a partial index keeps few."""

    def get_queryset(self) -> models.QuerySet["StageWait"]:
        return super().get_queryset().filter(status=StageStatus.WAITING)


class StageWait(Stage):
    """The stages that wait, as a list of the admin."""

    objects: ClassVar[_StageWaits] = _StageWaits()

    class Meta:
        proxy = True
        ordering = ["-id"]
        verbose_name = "wait"
