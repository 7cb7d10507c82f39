"""One check, one piece of provisioning, or its undo."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from onboarding.models.request import OnboardingRequest
from onboarding.models.states import StepKind, StepStatus


class OnboardingStep(models.Model):
    """A step of a request. While it runs, ``token`` and ``lease_until`` say whose it is.

    ``outputs`` are what a passed step has found or made, never a secret. ``log`` is a list of
    ``{"at": ISO time, "line": text}``, redacted. ``troubles`` counts failures of the far side in a row.
    ``wake_asked``: something happened while it ran, so it does not wait after this attempt.
    """

    request = models.ForeignKey(OnboardingRequest, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=50)
    kind = models.CharField(max_length=10, choices=StepKind)
    position = models.PositiveSmallIntegerField()
    status = models.CharField(
        max_length=10, choices=StepStatus, default=StepStatus.PENDING, db_default=StepStatus.PENDING
    )
    attempt = models.PositiveIntegerField(default=0, db_default=0)
    troubles = models.PositiveSmallIntegerField(default=0, db_default=0)
    crashes = models.PositiveSmallIntegerField(default=0, db_default=0)
    token = models.UUIDField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=200, blank=True, default="", db_default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    wake_asked = models.BooleanField(default=False, db_default=False)
    reason = models.TextField(blank=True, default="", db_default="")
    cure = models.TextField(blank=True, default="", db_default="")
    outputs = models.JSONField(default=dict, db_default={}, blank=True)
    log = models.JSONField(default=list, db_default=[], blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["request", "position"]
        indexes = [
            # What the clock looks for: nearly all rows are done with.
            models.Index(
                fields=["not_before", "id"],
                condition=Q(status__in=["pending", "waiting"]),
                name="onboarding_step_unfinished",
            ),
            models.Index(
                fields=["lease_until"], condition=Q(status="running"), name="onboarding_step_leases"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=StepStatus.values), name="onboarding_step_status_known"
            ),
            models.CheckConstraint(condition=Q(kind__in=StepKind.values), name="onboarding_step_kind_known"),
            # Two that write the steps of a request at the same moment write each once.
            models.UniqueConstraint(fields=["request", "kind", "name"], name="onboarding_step_once"),
            models.UniqueConstraint(fields=["request", "position"], name="onboarding_step_position_once"),
            models.CheckConstraint(
                condition=Q(status="running", token__isnull=False, lease_until__isnull=False)
                | (~Q(status="running") & Q(token__isnull=True, lease_until__isnull=True)),
                name="onboarding_step_running_is_claimed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.kind} {self.name} {self.status}"
