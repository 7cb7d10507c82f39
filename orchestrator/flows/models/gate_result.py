"""Verdicts of gates, kept with what they measured."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gates.base import Verdict
from orchestrator.flows.models.flow import Flow
from orchestrator.flows.models.stage import Stage

VERDICTS = [verdict.value for verdict in Verdict]


class GateResult(models.Model):
    """One gate's report in one round of one flow."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="gate_results")
    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="gate_results")
    gate = models.CharField(max_length=50)
    round = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=10, choices=[(verdict, verdict) for verdict in VERDICTS])
    # Null for a gate that passes or fails without a measure.
    score = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    threshold = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    summary = models.TextField()
    cure = models.TextField(blank=True, default="", db_default="")
    findings = models.JSONField(default=list, blank=True, db_default=[])
    details = models.JSONField(default=dict, blank=True, db_default={})
    seconds = models.FloatField(default=0, db_default=0)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=VERDICTS), name="gate_verdict_known"),
            # A repair round has a verify stage of its own, so no round overwrites the verdicts of another.
            models.UniqueConstraint(fields=["stage", "gate"], name="gate_once_per_stage"),
        ]
        indexes = [
            # What days and the last hour are counted from.
            models.Index(fields=["created_at"], name="gate_result_created"),
            # The flows that a gate has stopped. Partial: nearly all verdicts are passed.
            models.Index(
                fields=["gate", "flow"], condition=~Q(verdict="passed"), name="gate_result_not_passed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gate}: {self.verdict}"
