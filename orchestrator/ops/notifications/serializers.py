"""The shapes of notifications, in and out."""

from typing import Any

from rest_framework import serializers

from orchestrator.ops.notifications.delivery import notify
from orchestrator.ops.notifications.models import Notification
from orchestrator.rest.links import url_of
from orchestrator.rest.request_bodies import RequestSerializer

# Slack cuts a message at 40,000 characters; what people read is far below.
MAX_BODY = 10_000


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """A message to people, and whether its receiver has accepted it."""

    url = serializers.SerializerMethodField(help_text="Where it is.")
    html_url = serializers.SerializerMethodField(help_text="Its page in the admin.")

    class Meta:
        model = Notification
        fields = [
            "id",
            "notifier",
            "target",
            "subject",
            "body",
            "severity",
            "status",
            "not_before",
            "attempts",
            "receipt",
            "error_code",
            "error_message",
            "error_cure",
            "created_by",
            "created_at",
            "sent_at",
            "url",
            "html_url",
        ]

    def get_url(self, notification: Notification) -> str:
        """Its address in this API."""
        return url_of(self.context, f"/api/v1/notifications/{notification.pk}/")

    def get_html_url(self, notification: Notification) -> str:
        """Where an operator looks at it."""
        return url_of(self.context, f"/admin/notifications/notification/{notification.pk}/change/")


class NewSlackNotificationSerializer(RequestSerializer):
    """A message for a Slack channel."""

    channel = serializers.RegexField(
        r"^#?[a-z0-9][a-z0-9._-]{0,79}$", help_text="The channel's name, with or without #."
    )
    message = serializers.CharField(max_length=MAX_BODY)

    def create(self, given: dict[str, Any]) -> Notification:
        """Write the message on behalf of ``actor``."""
        channel = "#" + given["channel"].removeprefix("#")
        return notify("slack", channel, given["message"], actor=given["actor"])


class NewEmailNotificationSerializer(RequestSerializer):
    """A mail to one address."""

    to = serializers.EmailField()
    subject = serializers.CharField(max_length=200)
    body = serializers.CharField(max_length=MAX_BODY)

    def create(self, given: dict[str, Any]) -> Notification:
        """Write the mail on behalf of ``actor``."""
        return notify("email", given["to"], given["body"], subject=given["subject"], actor=given["actor"])
