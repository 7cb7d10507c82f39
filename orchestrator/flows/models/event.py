"""What happened to a flow, in order."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.flows.models.flow import Flow
from orchestrator.flows.models.stage import Stage


class FlowEvent(models.Model):
    """Something that happened to a flow, in order. Followers read it as server-sent events; ids only grow."""

    flow_id: str
    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=50)
    # A stage of the same flow, and gone with it: written from the stage's own row, so neither checked nor
    # looked up by.
    stage = models.ForeignKey(
        Stage,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    data = models.JSONField(default=dict, blank=True, db_default={})
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]
        # A follower asks for the events of a flow after an id that it has seen: one range of this index.
        indexes = [
            models.Index(fields=["flow", "id"], name="flow_event_order"),
            # What days are counted from. Partial: most events are of stages.
            models.Index(
                fields=["created_at"],
                condition=Q(kind__in=["flow.created", "flow.passed", "flow.failed", "flow.cancelled"]),
                name="flow_event_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id} {self.kind}"
