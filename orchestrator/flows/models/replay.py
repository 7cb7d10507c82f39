"""A request to run the gates of a block or a whole flow again, and its result."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.flows.models.flow import Flow


class ReplayKind(models.TextChoices):
    """What is run again: the gates on the sealed block, or every stage of the flow from its record."""

    GATES = "gates"
    FLOW = "flow"


class ReplayStatus(models.TextChoices):
    """Where a replay is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"


class Replay(models.Model):
    """One replay of a flow; at most one of a kind is under way.

    ``replay.requests`` writes it, nothing else does.

    ``same``: whether everything came out as recorded; null until it is done. ``result``: of the gates, one
    comparison per gate; of a flow, the report. ``error``: why it could not be run, ``{"code", "message",
    "cure"}``.
    """

    flow_id: str
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="replays")
    kind = models.CharField(max_length=10, choices=ReplayKind)
    status = models.CharField(
        max_length=10, choices=ReplayStatus, default=ReplayStatus.PENDING, db_default=ReplayStatus.PENDING
    )
    same = models.BooleanField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                # Two requests at the same time get one replay: the loser of the race finds the winner's
                # row.
                fields=["flow", "kind"],
                condition=~Q(status="done"),
                name="replay_one_at_a_time",
            ),
            models.CheckConstraint(condition=Q(kind__in=ReplayKind.values), name="replay_kind_known"),
            models.CheckConstraint(condition=Q(status__in=ReplayStatus.values), name="replay_status_known"),
            models.CheckConstraint(
                # A replay that could not run is done with ``same`` false and an error, so nothing stays
                # half-finished.
                condition=Q(status="done", finished_at__isnull=False, same__isnull=False)
                | (~Q(status="done") & Q(finished_at__isnull=True, same__isnull=True)),
                name="replay_finished_iff_done",
            ),
        ]

    def __str__(self) -> str:
        return f"replay of {self.flow_id}: {self.kind} {self.status}"
