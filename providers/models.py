"""The ledger of provider calls. A row is there before a call leaves; it is settled at most once."""

import uuid

from django.db import models
from django.db.models import Q


class CallStatus(models.TextChoices):
    """Where a call stands. ``unknown``: it left, and what it used was never learned; charged in full, shown apart."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "unknown"


class ProviderCall(models.Model):
    """One call to a model: what was set aside before it, what it really used, what it cost."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=20)
    model = models.CharField(max_length=100)
    repo = models.CharField(max_length=100, blank=True)
    stage_kind = models.CharField(max_length=50, blank=True)
    flow = models.ForeignKey("flows.Flow", on_delete=models.PROTECT, null=True, blank=True, related_name="calls")
    stage = models.ForeignKey("flows.Stage", on_delete=models.PROTECT, null=True, blank=True, related_name="calls")
    attempt = models.ForeignKey("flows.Attempt", on_delete=models.PROTECT, null=True, blank=True, related_name="calls")
    status = models.CharField(max_length=10, choices=CallStatus, default=CallStatus.RESERVED)
    request_digest = models.CharField(max_length=64)
    reserved_tokens = models.PositiveBigIntegerField()
    reserved_usd = models.DecimalField(max_digits=16, decimal_places=9)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_5m_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=16, decimal_places=9, default=0)
    price = models.JSONField(default=dict, blank=True)
    response = models.JSONField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    created_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=CallStatus.values), name="call_status_known"),
            models.CheckConstraint(
                condition=Q(status="reserved", settled_at__isnull=True) | (~Q(status="reserved") & Q(settled_at__isnull=False)),
                name="call_settled_iff_not_reserved",
            ),
            models.CheckConstraint(condition=Q(cost_usd__gte=0, reserved_usd__gte=0), name="call_money_not_negative"),
        ]
        indexes = [
            models.Index(fields=["provider", "created_at"], name="call_provider_created"),
            models.Index(fields=["lease_until"], condition=Q(status="reserved"), name="call_open_leases"),
            models.Index(fields=["stage", "request_digest"], name="call_by_stage_request"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.id}"
