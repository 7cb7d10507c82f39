"""The table of messages to people, see ``delivery``."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class NotificationStatus(models.TextChoices):
    """Where a message stands."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given_up"


class Notification(models.Model):
    """One message to one receiver.

    ``key`` goes to the far side with the message, so that a message which is sent again can be told from a
    new one. ``sending_since`` is the claim of the worker that sends it. ``receipt`` is the far side's own
    name for the message.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    notifier = models.CharField(max_length=20)
    target = models.CharField(max_length=254)
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    body = models.TextField()
    status = models.CharField(
        max_length=10,
        choices=NotificationStatus,
        default=NotificationStatus.WAITING,
        db_default=NotificationStatus.WAITING,
    )
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    sending_since = models.DateTimeField(null=True, blank=True)
    receipt = models.CharField(max_length=200, blank=True, default="", db_default="")
    error_code = models.CharField(max_length=100, blank=True, default="", db_default="")
    error_message = models.TextField(blank=True, default="", db_default="")
    error_cure = models.TextField(blank=True, default="", db_default="")
    created_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    created_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=NotificationStatus.values), name="notification_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="sending", sending_since__isnull=False)
                | (~Q(status="sending") & Q(sending_since__isnull=True)),
                name="notification_sending_is_claimed",
            ),
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False)
                | (~Q(status="sent") & Q(sent_at__isnull=True)),
                name="notification_sent_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notifier} to {self.target}: {self.status}"
