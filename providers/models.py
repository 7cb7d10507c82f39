"""The ledger of provider calls, and the counters that admit them.

Both change in one transaction, so they cannot disagree.

A ledger row is there before a call leaves; it is settled at most once. The counters are written only by the
functions of ``sql/functions.sql``; ``manage.py audit_quota`` recomputes each of them from the ledger.
"""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

# One bucket more than the window has, so that the oldest, of which a part still counts, is charged in full.
HOURS = 25
SECONDS = 61


class CallStatus(models.TextChoices):
    """Where a call stands.

    ``unknown``: it left, and what it used was never learned; charged in full, shown apart.
    """

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "unknown"


class ProviderCall(models.Model):
    """One call to a model: what was set aside before it, what it really used, what it cost.

    What counts against the quota is ``reserved_tokens`` while reserved or unknown, the sum of the six parts
    once settled, and nothing once released; always in the hour of ``created_at``.

    ``flow_id``, ``stage_id`` and ``attempt_id`` are plain ids, because the ledger does not know who calls it.
    A foreign key would also wait for the engine's lock on a flow while the provider's counters are locked,
    and hold up every caller.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=20)
    model = models.CharField(max_length=100)
    repo = models.CharField(max_length=100, blank=True, default="", db_default="")
    stage_kind = models.CharField(max_length=50, blank=True, default="", db_default="")
    # See above for why these are not foreign keys.
    flow_id = models.CharField(max_length=25, null=True, blank=True)
    stage_id = models.BigIntegerField(null=True, blank=True)
    attempt_id = models.BigIntegerField(null=True, blank=True)
    fallback_from = models.CharField(max_length=100, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=10, choices=CallStatus, default=CallStatus.RESERVED, db_default=CallStatus.RESERVED
    )
    request_digest = models.CharField(max_length=64)
    reserved_tokens = models.PositiveBigIntegerField()
    # Nine decimals are nano-USD, in which the counters are kept.
    reserved_usd = models.DecimalField(max_digits=16, decimal_places=9)
    input_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    cache_write_5m_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    cache_write_1h_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    output_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    # Where the charged tokens come from (``base.UsageSource``): only ``reported`` is the vendor's own figure.
    usage_source = models.CharField(max_length=10, default="reported", db_default="reported")
    # The model that answered, by the vendor's words; ``model`` is the name that was asked.
    answered_by = models.CharField(max_length=100, blank=True, default="", db_default="")
    cost_usd = models.DecimalField(max_digits=16, decimal_places=9, default=0, db_default=0)
    price = models.JSONField(default=dict, blank=True, db_default={})
    response = models.JSONField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=CallStatus.values), name="call_status_known"),
            models.CheckConstraint(
                # ``settled_at`` alone says whether a reservation is still open.
                condition=Q(status="reserved", settled_at__isnull=True)
                | (~Q(status="reserved") & Q(settled_at__isnull=False)),
                name="call_settled_iff_not_reserved",
            ),
            models.CheckConstraint(
                condition=Q(cost_usd__gte=0, reserved_usd__gte=0), name="call_money_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["provider", "created_at"], name="call_provider_created"),
            # The newest of all providers, a page at a time.
            models.Index(fields=["-created_at", "-id"], name="call_newest"),
            models.Index(
                # Partial: each admission looks for leases that ran out, and nearly all calls are settled.
                fields=["provider", "lease_until"],
                condition=Q(status="reserved"),
                name="call_open_leases",
            ),
            models.Index(fields=["flow_id"], name="call_by_flow"),
            # For the flows that have asked a model which few have.
            models.Index(fields=["model", "flow_id"], name="call_by_model"),
            # Few: what ended without its caller has to reach the cost of its flow.
            models.Index(fields=["settled_at"], condition=Q(status="unknown"), name="call_unknown_ended"),
            # Asked before every call: has this stage paid for this answer?
            models.Index(fields=["stage_id", "request_digest"], name="call_by_stage_request"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.id}"

    @property
    def shown_model(self) -> str:
        """The model that answered, or the one that was asked where none has."""
        return self.answered_by or self.model


class BreakerState(models.TextChoices):
    """The health breaker.

    An open one whose ``open_until`` has passed is half-open: it lets one probe through.
    """

    CLOSED = "closed"
    OPEN = "open"


class ProviderState(models.Model):
    """One provider's counters, breaker and pause, in one row, so that a call is admitted by one lock.

    ``hour_tokens[h % 25]`` is what the calls created in hour ``h`` (since 1970) are charged; 25 hours cover
    any rolling 24. ``second_*[s % 61]`` likewise; 61 seconds cover any rolling minute. ``day_*`` and
    ``minute_*`` are their running sums, as of ``head_hour`` and ``head_second``. ``reserved_*`` and
    ``inflight`` count the open leases.
    """

    provider = models.CharField(primary_key=True, max_length=20)
    head_hour = models.BigIntegerField(db_default=0)
    hour_tokens = ArrayField(models.BigIntegerField(), db_default=[0] * HOURS)
    day_tokens = models.BigIntegerField(default=0, db_default=0)
    head_second = models.BigIntegerField(db_default=0)
    second_tokens = ArrayField(models.BigIntegerField(), db_default=[0] * SECONDS)
    minute_tokens = models.BigIntegerField(default=0, db_default=0)
    second_requests = ArrayField(models.BigIntegerField(), db_default=[0] * SECONDS)
    minute_requests = models.BigIntegerField(default=0, db_default=0)
    reserved_tokens = models.BigIntegerField(default=0, db_default=0)
    reserved_nano = models.BigIntegerField(default=0, db_default=0)
    inflight = models.IntegerField(default=0, db_default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    # Refusals in a row; each doubles the pause, from a second up to an hour.
    throttles = models.PositiveSmallIntegerField(default=0, db_default=0)
    # Why everybody waits until ``not_before``: the code of the refusal, and the provider's words.
    wait_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    wait_reason = models.TextField(blank=True, default="", db_default="")
    breaker = models.CharField(
        max_length=10, choices=BreakerState, default=BreakerState.CLOSED, db_default=BreakerState.CLOSED
    )
    failure_score = models.PositiveSmallIntegerField(default=0, db_default=0)
    failed_at = models.DateTimeField(null=True, blank=True)
    openings = models.PositiveSmallIntegerField(default=0, db_default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    # Which call is the probe, so that only its end closes or opens the breaker again.
    probe_call = models.UUIDField(null=True, blank=True)
    probe_until = models.DateTimeField(null=True, blank=True)
    paused = models.BooleanField(default=False, db_default=False)
    pause_reason = models.TextField(blank=True, default="", db_default="")

    class Meta:
        verbose_name = "provider"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    day_tokens__gte=0,
                    minute_tokens__gte=0,
                    minute_requests__gte=0,
                    reserved_tokens__gte=0,
                    reserved_nano__gte=0,
                    inflight__gte=0,
                ),
                name="provider_counters_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(breaker="closed") | Q(breaker="open", open_until__isnull=False),
                name="provider_breaker_known",
            ),
        ]

    def __str__(self) -> str:
        return self.provider


# A row of its own, locked after the provider's and for as short as possible: all providers share it.
class BudgetState(models.Model):
    """What all providers together have cost in the last 25 hours, in nano-USD: one row, ``id`` 1."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, db_default=1)
    head_hour = models.BigIntegerField(db_default=0)
    hour_nano = ArrayField(models.BigIntegerField(), db_default=[0] * HOURS)
    day_nano = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1, day_nano__gte=0), name="budget_one_row_not_negative")
        ]

    def __str__(self) -> str:
        return "daily budget"


class RepoUse(models.Model):
    """What one repo has been charged at all providers together: tokens and nano-USD of the last 25 hours.

    ``repo`` is a plain name: the ledger does not know repos. Locked after the provider's row.
    """

    repo = models.CharField(primary_key=True, max_length=100)
    head_hour = models.BigIntegerField(db_default=0)
    hour_tokens = ArrayField(models.BigIntegerField(), db_default=[0] * HOURS)
    day_tokens = models.BigIntegerField(default=0, db_default=0)
    hour_nano = ArrayField(models.BigIntegerField(), db_default=[0] * HOURS)
    day_nano = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name = "use of a repo"
        verbose_name_plural = "use of repos"
        constraints = [
            models.CheckConstraint(
                condition=Q(day_tokens__gte=0, day_nano__gte=0), name="repo_use_not_negative"
            )
        ]

    def __str__(self) -> str:
        return self.repo


class ProviderChange(models.Model):
    """Who paused or resumed a provider, when its breaker opened or closed, when its account ran out; why."""

    class Action(models.TextChoices):
        PAUSED = "paused"
        RESUMED = "resumed"
        OPENED = "opened"
        CLOSED = "closed"
        EXHAUSTED = "exhausted"

    provider = models.CharField(max_length=20)
    action = models.CharField(max_length=10, choices=Action)
    actor = models.CharField(max_length=150)
    reason = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(actor=""), name="provider_change_says_who_and_why"
            ),
        ]
        indexes = [models.Index(fields=["provider", "-id"], name="provider_change_newest")]

    def __str__(self) -> str:
        return f"{self.provider} {self.action} by {self.actor}"
