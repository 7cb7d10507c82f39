"""The rows of the engine. Only ``orchestrator.flows.engine`` writes a status; the constraints hold the invariants."""

import secrets
import time
from typing import ClassVar

from django.db import models
from django.db.models import Q

from orchestrator.flows.states import AttemptOutcome, FlowStatus, StageStatus
from orchestrator.queues import Queue
from orchestrator.repos.models import Repo

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def new_flow_id() -> str:
    """``task_`` and 20 characters: 60 bits of time in 1/1024 ms, 40 random bits. Ids sort by the time they were made.

    Milliseconds alone would not do: two flows of one of them would take their turns in any order.
    """
    number = ((time.time_ns() << 10) // 1_000_000) << 40 | secrets.randbits(40)
    return "task_" + "".join(_BASE32[number >> shift & 31] for shift in range(95, -5, -5))


class Flow(models.Model):
    """One run of a feature request through the stages of a flow type.

    ``snapshot`` is the repo that it carries (``flows.snapshots``): megabytes, so never part of this row, which lists read.
    ``origin`` is where it was cloned from, ``git+<url>@<commit>``; empty where it came with the request.
    """

    id = models.CharField(primary_key=True, max_length=25, default=new_flow_id, editable=False)
    repo = models.ForeignKey(Repo, on_delete=models.PROTECT, related_name="flows", db_index=False)
    flow_type = models.CharField(max_length=50)
    flow_type_version = models.PositiveIntegerField(default=1)
    block_family = models.CharField(max_length=100, blank=True)
    feature_request = models.TextField()
    snapshot = models.ForeignKey("Blob", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    origin = models.CharField(max_length=600, blank=True, default="", db_default="")
    settings = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=10, choices=FlowStatus, default=FlowStatus.PENDING)
    priority = models.SmallIntegerField(default=0)
    created_by = models.CharField(max_length=150, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    cost_usd = models.DecimalField(max_digits=16, decimal_places=9, default=0)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    error_cure = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=FlowStatus.values), name="flow_status_known"),
            models.CheckConstraint(condition=Q(cost_usd__gte=0), name="flow_cost_not_negative"),
            models.UniqueConstraint(fields=["repo", "idempotency_key"], name="flow_idempotent_per_repo"),
            models.CheckConstraint(
                condition=Q(status__in=["passed", "failed", "cancelled"], finished_at__isnull=False)
                | Q(status__in=["pending", "running", "waiting", "paused"], finished_at__isnull=True),
                name="flow_finished_iff_ended",
            ),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(error_code=""), name="flow_failed_has_reason"),
            models.CheckConstraint(condition=Q(origin="") | Q(snapshot__isnull=False), name="flow_origin_of_a_snapshot"),
        ]
        indexes = [
            models.Index(fields=["status", "created_at"], name="flow_status_created"),
            models.Index(
                fields=["deadline_at"],
                condition=Q(status__in=["pending", "running", "waiting", "paused"]),
                name="flow_deadline",
            ),
        ]

    def __str__(self) -> str:
        return self.id


class Stage(models.Model):
    """One step of a flow on one queue. The stage table is also the outbox of messages to the queues."""

    id: int
    flow_id: str
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="stages", db_index=False)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=50)
    round = models.PositiveSmallIntegerField(default=1)
    queue = models.CharField(max_length=20, choices=[(q.value, q.value) for q in Queue])
    status = models.CharField(max_length=10, choices=StageStatus, default=StageStatus.PENDING)
    token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    attempts_made = models.PositiveIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    repair = models.JSONField(default=dict, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    wait_reason = models.TextField(blank=True)
    waits_for = models.CharField(max_length=20, blank=True)
    wait_tokens = models.BigIntegerField(default=0, db_default=0)
    wait_nano_usd = models.BigIntegerField(default=0, db_default=0)
    waiting_since = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    sends = models.PositiveIntegerField(default=0)
    fair_tag = models.FloatField(default=0)
    feedback = models.TextField(blank=True)
    output = models.JSONField(default=dict, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    error_cure = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["flow_id", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["flow", "position"], name="stage_position_once", deferrable=models.Deferrable.DEFERRED
            ),
            models.UniqueConstraint(
                fields=["flow"], condition=Q(status__in=["ready", "running", "waiting"]), name="stage_one_live_per_flow"
            ),
            models.CheckConstraint(condition=Q(status__in=StageStatus.values), name="stage_status_known"),
            models.CheckConstraint(
                condition=Q(status="running", token__isnull=False, lease_until__isnull=False)
                | (~Q(status="running") & Q(token__isnull=True, lease_until__isnull=True)),
                name="stage_token_iff_running",
            ),
            models.CheckConstraint(condition=~Q(status="waiting") | ~Q(wait_reason=""), name="stage_waits_for_a_reason"),
            models.CheckConstraint(condition=~Q(status="failed") | ~Q(error_code=""), name="stage_failed_has_reason"),
        ]
        indexes = [
            models.Index(
                fields=["queue", "fair_tag", "id"], condition=Q(status="ready", sent_at__isnull=True), name="stage_unsent"
            ),
            models.Index(fields=["queue", "sent_at"], condition=Q(status="ready", sent_at__isnull=False), name="stage_sent"),
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
    outcome = models.CharField(max_length=10, choices=AttemptOutcome, default=AttemptOutcome.RUNNING)
    model = models.CharField(max_length=100, blank=True)
    fallback_from = models.CharField(max_length=100, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)

    class Meta:
        ordering = ["stage_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["stage", "number"], name="attempt_number_once"),
            models.UniqueConstraint(fields=["stage"], condition=Q(outcome="running"), name="attempt_one_live_per_stage"),
            models.CheckConstraint(condition=Q(outcome__in=AttemptOutcome.values), name="attempt_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome="running", finished_at__isnull=True) | (~Q(outcome="running") & Q(finished_at__isnull=False)),
                name="attempt_finished_iff_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.stage_id}"


class FlowEvent(models.Model):
    """Something that happened to a flow, in order. Followers read it as server-sent events; ids only grow."""

    flow_id: str
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=50)
    # A stage of the same flow, and gone with it: written from the stage's own row, so neither checked nor looked up by.
    stage = models.ForeignKey(
        Stage, on_delete=models.DO_NOTHING, null=True, blank=True, related_name="+", db_constraint=False, db_index=False
    )
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["flow", "id"], name="flow_event_order")]

    def __str__(self) -> str:
        return f"{self.flow_id} {self.kind}"


class HoldScope(models.TextChoices):
    """What an operator may pause beyond one flow."""

    EVERYTHING = "everything"
    REPO = "repo"
    QUEUE = "queue"


class Hold(models.Model):
    """A pause that stands: no stage in its scope is started. ``target`` names the repo or queue, empty for everything."""

    scope = models.CharField(max_length=10, choices=HoldScope)
    target = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["scope", "target"], name="hold_once"),
            models.CheckConstraint(condition=Q(scope__in=HoldScope.values), name="hold_scope_known"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.target}".strip()


class QueueLoad(models.Model):
    """What the dispatcher last saw of a queue. Until ``full_until`` nobody but the dispatcher sends to it."""

    queue = models.CharField(primary_key=True, max_length=20, choices=[(q.value, q.value) for q in Queue])
    full_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.queue


class Blob(models.Model):
    """Bytes under their SHA-256, stored once."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    content = models.BinaryField()
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.sha256


class Artifact(models.Model):
    """What a stage left behind: a context bundle, generated files, a gate's evidence, a manifest."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="artifacts")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="artifacts")
    kind = models.CharField(max_length=100)
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=100)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["stage", "kind"], name="artifact_kind_once_per_stage")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


class Block(models.Model):
    """What a flow yields: one module, its tests, its contract, its docs, with signed evidence."""

    flow = models.OneToOneField(Flow, on_delete=models.PROTECT, related_name="block")
    repo = models.ForeignKey(Repo, on_delete=models.PROTECT, related_name="blocks")
    family = models.CharField(max_length=100)
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    summary = models.TextField(blank=True)
    manifest = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")
    quality_score = models.DecimalField(max_digits=5, decimal_places=2)
    verified = models.BooleanField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["repo", "family", "name", "version"], name="block_version_once"),
            models.CheckConstraint(
                condition=Q(version__gte=1) & Q(quality_score__gte=0, quality_score__lte=100), name="block_sane"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.family}/{self.name} v{self.version}"


class EvidenceKey(models.Model):
    """A public key that has signed evidence, in force or retired. Blocks signed long ago are checked against it."""

    key_id = models.CharField(primary_key=True, max_length=64)
    public_pem = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.key_id


class EvidenceLog(models.Model):
    """One sealing in the hash-chained log of a repo. A trigger refuses every change; see ``evidence/log.py``.

    ``hash`` is the SHA-256 of repo, sequence, flow, manifest, content and the previous hash; ``content_sha256`` covers the
    digests of manifest and statements; ``envelope`` is the entry signed, as it lies in the block.
    """

    repo = models.CharField(max_length=100)
    sequence = models.PositiveBigIntegerField()
    flow = models.CharField(max_length=25)
    manifest_sha256 = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)
    envelope = models.TextField()
    key_id = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["repo", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["repo", "sequence"], name="evidence_log_sequence_once"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="evidence_log_counts_from_one"),
        ]
        indexes = [models.Index(fields=["flow"], name="evidence_log_by_flow")]

    def __str__(self) -> str:
        return f"{self.repo} {self.sequence}"


class ReplayRequest(models.Model):
    """A replay that somebody has asked for, by ``replay_requests``. Each kind has its ``TASK``, and an end of its own."""

    TASK: ClassVar[str]
    flow_id: str
    flow: models.ForeignKey[Flow, Flow]
    status = models.CharField(max_length=10, default="pending")
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class ReplayStatus(models.TextChoices):
    """Where a replay of the gates stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"


class GateReplay(ReplayRequest):
    """The gates run again on a stored block. ``comparison``: per gate, the sealed verdict beside the new one.

    ``error``, where the gates could not be run as they were then: what is missing, ``{"code", "message", "cure"}``.
    """

    TASK = "flows.replay_gates"
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="replays")
    status = models.CharField(max_length=10, choices=ReplayStatus, default=ReplayStatus.PENDING)
    comparison = models.JSONField(default=list, blank=True)
    error = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["flow"], condition=~Q(status="done"), name="replay_one_at_a_time"),
            models.CheckConstraint(condition=Q(status__in=ReplayStatus.values), name="replay_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id} {self.status}"


class FlowReplayStatus(models.TextChoices):
    """Where a replay stands."""

    PENDING = "pending"
    RUNNING = "running"
    SAME = "same"
    DIFFERENT = "different"


class FlowReplay(ReplayRequest):
    """A finished flow run again from its record, and what came out otherwise. Nothing of the flow refers to it."""

    TASK = "flows.replay_flow"
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="flow_replays")
    status = models.CharField(max_length=10, choices=FlowReplayStatus, default=FlowReplayStatus.PENDING)
    report = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["flow"], condition=Q(finished_at__isnull=True), name="flow_replay_one_at_a_time"),
            models.CheckConstraint(condition=Q(status__in=FlowReplayStatus.values), name="flow_replay_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=["same", "different"], finished_at__isnull=False)
                | Q(status__in=["pending", "running"], finished_at__isnull=True),
                name="flow_replay_finished_iff_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"replay of {self.flow_id}"
