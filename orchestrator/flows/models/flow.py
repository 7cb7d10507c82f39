"""The flow. Only ``orchestrator.flows.engine`` writes a status; the constraints hold the invariants."""

import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings as env
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.core import tracing
from orchestrator.flows.models.states import FlowStatus
from orchestrator.repos.models import Repo

# Crockford's alphabet in lower case: it has no i, l, o and u, which people misread, and its characters
# ascend, so that ids sort as their numbers do.
_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"


def new_flow_id() -> str:
    """Return ``task_`` and 20 characters: 60 bits of time in 1/1024 ms, then 40 random bits.

    Ids sort by the time they were made.
    """
    return _write_flow_id(time.time_ns(), secrets.randbits(40))


def first_flow_id(moment: datetime) -> str:
    """Return the least id that a flow of ``moment`` may have, by the clock of the machine that made it."""
    return _write_flow_id(int(moment.timestamp()) * 1_000_000_000, 0)


def _write_flow_id(nanoseconds: int, tail: int) -> str:
    # Whole milliseconds are too coarse: two flows of the same millisecond would be served in any order.
    number = ((nanoseconds << 10) // 1_000_000) << 40 | tail
    # The highest digit first, five bits each.
    return "task_" + "".join(_BASE32[number >> shift & 31] for shift in range(95, -5, -5))


class FlowIdField(models.CharField):  # type: ignore[type-arg]  # Django has no generics at run time
    """The primary key of a flow, made by ``new_flow_id``.

    Migrations see a plain text column and import no code of the product.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": 25, "default": new_flow_id, "editable": False, **kwargs})

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Return what a migration records: the column, without the function that makes ids."""
        name, _, args, kwargs = super().deconstruct()
        # A default in a migration is an import, which breaks on the day when the function moves.
        del kwargs["default"]
        return name, "django.db.models.CharField", args, kwargs


class Flow(models.Model):
    """One run of a feature request through the stages of a flow type.

    ``snapshot`` is the repo that it carries (``flows.snapshots``): megabytes, so never part of this row,
    which lists read. ``origin`` is where it was cloned from, ``git+<url>@<commit>``; empty where it came with
    the request.
    """

    id: "models.CharField[str, str]" = FlowIdField(primary_key=True)
    # The unique constraint on repo and idempotency key begins with the repo and serves as its index.
    repo = models.ForeignKey(Repo, on_delete=models.PROTECT, related_name="flows", db_index=False)
    flow_type = models.CharField(max_length=50)
    flow_type_version = models.PositiveIntegerField(default=1, db_default=1)
    block_family = models.CharField(max_length=100, blank=True, default="", db_default="")
    # Where the caller gave no family: since when it is the one that the plan chose.
    family_chosen_at = models.DateTimeField(null=True, blank=True)
    feature_request = models.TextField()
    snapshot = models.ForeignKey(
        # By name, because the module of Blob imports this one.
        "Blob",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    origin = models.CharField(max_length=600, blank=True, default="", db_default="")
    settings = models.JSONField(default=dict, blank=True, db_default={})
    status = models.CharField(
        max_length=10, choices=FlowStatus, default=FlowStatus.PENDING, db_default=FlowStatus.PENDING
    )
    # A stage has asked for a repair, and its round has not begun: it begins when no other stage is under way.
    repair_asked = models.BooleanField(default=False, db_default=False)
    priority = models.SmallIntegerField(default=0, db_default=0)
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    # Null, not empty, where the caller gave none: a unique constraint lets any number of nulls pass.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    request_digest = models.CharField(max_length=64, blank=True, default="", db_default="")
    # The span that created it, or that brought it back, as W3C's traceparent; empty where it is not traced.
    trace_parent = models.CharField(max_length=55, blank=True, default="", db_default="")
    # What the nonces of its prompts are made from. Kept, so that a replay asks the same wherever it runs;
    # null in rows from before.
    nonce_seed = models.UUIDField(null=True, blank=True, editable=False, db_default=RandomUUID())
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    # Nine decimals are nano-USD, the limiter's unit, so a sum of many small calls is exact.
    cost_usd = models.DecimalField(max_digits=16, decimal_places=9, default=0, db_default=0)
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    error_cure = models.TextField(blank=True, default="", db_default="")

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
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error_code=""), name="flow_failed_has_reason"
            ),
            models.CheckConstraint(
                # A flow that ended long ago has lost its snapshot (``ops.retention``).
                condition=Q(origin="") | Q(snapshot__isnull=False) | Q(finished_at__isnull=False),
                name="flow_origin_while_open",
            ),
        ]
        indexes = [
            # How many flows of a repo are open, how many of the last minute: asked before each new one.
            models.Index(
                fields=["repo"],
                condition=Q(status__in=["pending", "running", "waiting", "paused"]),
                name="flow_open_by_repo",
            ),
            models.Index(fields=["repo", "-created_at"], name="flow_newest_of_repo"),
            # For lists by author and by family, which may be rare among all flows.
            models.Index(fields=["created_by", "-id"], name="flow_newest_of_author"),
            models.Index(fields=["block_family", "-id"], name="flow_newest_of_family"),
            # What a search finds is listed newest first, a page at a time.
            models.Index(fields=["repo", "-id"], name="flow_newest_by_repo"),
            models.Index(
                # Partial: nearly all flows have none. Patterns, because people type the beginning of a code.
                fields=["error_code", "-id"],
                opclasses=["varchar_pattern_ops", "varchar_ops"],
                condition=~Q(error_code=""),
                name="flow_newest_of_error",
            ),
            # Before stored bytes go, flows are asked whether one carries them.
            models.Index(fields=["snapshot"], condition=Q(snapshot__isnull=False), name="flow_by_snapshot"),
            # For lists of what few flows are, newest first. Partial: nearly all flows have passed.
            models.Index(
                fields=["status", "-id"],
                condition=Q(status__in=["pending", "running", "waiting", "paused", "failed", "cancelled"]),
                name="flow_newest_not_passed",
            ),
            # For lists by status, oldest or newest first.
            models.Index(fields=["status", "created_at"], name="flow_status_created"),
            # For what ended in the last hour, and on a day of a chart.
            models.Index(
                fields=["finished_at"], condition=Q(finished_at__isnull=False), name="flow_finished"
            ),
            models.Index(
                # Partial: only an unfinished flow can miss a deadline, and nearly all flows have ended.
                fields=["deadline_at"],
                condition=Q(status__in=["pending", "running", "waiting", "paused"]),
                name="flow_deadline",
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def asked_family(self) -> str:
        """The family that the caller gave; empty where the plan has chosen it, or will."""
        return "" if self.family_chosen_at else self.block_family

    @property
    def trace_id(self) -> str:
        """Its trace, 32 hexadecimal digits; empty where it is not traced."""
        return tracing.read_trace_id(self.trace_parent)

    @property
    def trace_url(self) -> str:
        """Where its trace is shown; empty where it has none, or where TRACE_URL_TEMPLATE is not set."""
        if not self.trace_id or not env.TRACE_URL_TEMPLATE:
            return ""
        return str(env.TRACE_URL_TEMPLATE).replace("{trace_id}", self.trace_id)
