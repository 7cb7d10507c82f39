"""The table of outgoing events, see ``outbox``."""

from django.db import models
from django.db.models.functions import Now


class OutgoingEvent(models.Model):
    """An event that one subscriber has not got yet.

    The row is deleted once its subscriber no longer needs it.

    ``due_at`` is when it is delivered next, ``attempts`` how often that was begun, and ``last_error`` the
    type of the error that the last attempt ended in.
    """

    subscriber = models.CharField(max_length=100)
    payload = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.CharField(max_length=100, blank=True, default="", db_default="")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["due_at"], name="outgoing_event_due")]

    def __str__(self) -> str:
        return f"{self.subscriber} {self.pk}"
