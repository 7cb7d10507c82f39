"""What operators hold back, and how full the queues are."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orchestrator.queues import Queue


class HoldScope(models.TextChoices):
    """What an operator may pause beyond one flow."""

    EVERYTHING = "everything"
    REPO = "repo"
    QUEUE = "queue"


class Hold(models.Model):
    """A pause in force: no stage in its scope is started.

    ``target`` names the repo or queue, empty for everything.
    """

    scope = models.CharField(max_length=10, choices=HoldScope)
    target = models.CharField(max_length=100, blank=True, default="", db_default="")
    reason = models.TextField(blank=True, default="", db_default="")
    actor = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            # The target of everything is empty, not null, so that there is at most one such hold.
            models.UniqueConstraint(fields=["scope", "target"], name="hold_once"),
            models.CheckConstraint(condition=Q(scope__in=HoldScope.values), name="hold_scope_known"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.target}".strip()


class QueueLoad(models.Model):
    """What the dispatcher last saw of a queue. Until ``full_until`` only the dispatcher sends to it."""

    queue = models.CharField(primary_key=True, max_length=20, choices=[(q.value, q.value) for q in Queue])
    full_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.queue
