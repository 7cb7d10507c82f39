"""The tables of outgoing events (see ``outbox``) and of the audit trail (see ``audit``)."""

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


class AuditOperation(models.TextChoices):
    """What was done to a row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class AuditEntry(models.Model):
    """One change of a row that people decide on. Triggers write it, and a trigger keeps it; see ``audit``.

    ``subject`` is the table and ``subject_key`` the row. ``changes`` has for each column what it was and what
    it is. ``actor`` is empty where the change came through no door of the product; ``database_role`` is who
    was connected.
    """

    at = models.DateTimeField()
    actor = models.CharField(max_length=150, blank=True, default="", db_default="")
    reason = models.TextField(blank=True, default="", db_default="")
    operation = models.CharField(max_length=6, choices=AuditOperation)
    subject = models.CharField(max_length=63)
    subject_key = models.CharField(max_length=100)
    changes = models.JSONField()
    database_role = models.CharField(max_length=63)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit trail"
        indexes = [
            # What happened to one row, and what one person did, newest first.
            models.Index(fields=["subject_key", "-id"], name="audit_entry_of_row"),
            models.Index(fields=["actor", "-id"], name="audit_entry_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.subject} {self.subject_key}"
