"""Requests to run the gates or a whole flow again, and what came of them."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.flows.models.flow import Flow


class ReplayRequest(models.Model):
    """A replay that somebody has asked for, by ``replay_requests``. Each kind has its ``TASK``, and an end of its own."""

    TASK: ClassVar[str]
    flow_id: str
    flow: models.ForeignKey[Flow, Flow]
    status = models.CharField(max_length=10, default="pending", db_default="pending")
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
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
    status = models.CharField(
        max_length=10, choices=ReplayStatus, default=ReplayStatus.PENDING, db_default=ReplayStatus.PENDING
    )
    comparison = models.JSONField(default=list, blank=True, db_default=[])
    error = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["flow"], condition=~Q(status="done"), name="replay_one_at_a_time"
            ),
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
    status = models.CharField(
        max_length=10,
        choices=FlowReplayStatus,
        default=FlowReplayStatus.PENDING,
        db_default=FlowReplayStatus.PENDING,
    )
    report = models.JSONField(default=dict, blank=True, db_default={})

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["flow"], condition=Q(finished_at__isnull=True), name="flow_replay_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(status__in=FlowReplayStatus.values), name="flow_replay_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["same", "different"], finished_at__isnull=False)
                | Q(status__in=["pending", "running"], finished_at__isnull=True),
                name="flow_replay_finished_iff_ended",
            ),
        ]

    def __str__(self) -> str:
        return f"replay of {self.flow_id}"
