"""Verdicts of gates, kept with what they measured."""

from django.db import models
from django.db.models import Q

VERDICTS = [("passed", "passed"), ("failed", "failed"), ("errored", "errored")]


class GateResult(models.Model):
    """One gate's report in one round of one flow."""

    flow = models.ForeignKey("flows.Flow", on_delete=models.CASCADE, related_name="gate_results")
    stage = models.ForeignKey("flows.Stage", on_delete=models.CASCADE, related_name="gate_results")
    gate = models.CharField(max_length=50)
    round = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=10, choices=VERDICTS)
    score = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    threshold = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    summary = models.TextField()
    cure = models.TextField(blank=True)
    findings = models.JSONField(default=list, blank=True)
    details = models.JSONField(default=dict, blank=True)
    seconds = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=["passed", "failed", "errored"]), name="gate_verdict_known"
            ),
            models.UniqueConstraint(fields=["stage", "gate"], name="gate_once_per_stage"),
        ]

    def __str__(self) -> str:
        return f"{self.gate}: {self.verdict}"
