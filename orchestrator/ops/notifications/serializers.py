"""The shapes of notifications, in and out."""

from typing import Any

from rest_framework import serializers

from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.notifications.delivery import notify
from orchestrator.ops.notifications.models import Notification, Subscription, Topic
from orchestrator.ops.notifications.webhook_secret import derive_secret
from orchestrator.repos import clone_urls

# Slack cuts a message at 40,000 characters; what people read is far below.
MAX_BODY = 10_000


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """A message to people, and whether its receiver has accepted it."""

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
        ]


class NewSlackNotificationSerializer(serializers.Serializer[Notification]):
    """A message for a Slack channel."""

    channel = serializers.RegexField(
        r"^#?[a-z0-9][a-z0-9._-]{0,79}$", help_text="The channel's name, with or without #."
    )
    message = serializers.CharField(max_length=MAX_BODY)

    def create(self, given: dict[str, Any]) -> Notification:
        """Write the message on behalf of ``actor``."""
        channel = "#" + given["channel"].removeprefix("#")
        return notify("slack", channel, given["message"], actor=given["actor"])


class NewEmailNotificationSerializer(serializers.Serializer[Notification]):
    """A mail to one address."""

    to = serializers.EmailField()
    subject = serializers.CharField(max_length=200)
    body = serializers.CharField(max_length=MAX_BODY)

    def create(self, given: dict[str, Any]) -> Notification:
        """Write the mail on behalf of ``actor``."""
        return notify("email", given["to"], given["body"], subject=given["subject"], actor=given["actor"])


class WebhookSerializer(serializers.ModelSerializer[Subscription]):
    """A webhook."""

    repo = serializers.CharField(source="repo.name")
    url = serializers.CharField(source="target")
    topics = serializers.ListField(child=serializers.ChoiceField(choices=Topic.choices))

    class Meta:
        model = Subscription
        fields = ["id", "repo", "url", "topics", "is_active", "created_by", "created_at"]


class CreatedWebhookSerializer(WebhookSerializer):
    """A webhook that has just been made, with its secret."""

    secret = serializers.SerializerMethodField(help_text="What signatures are checked with. Keep it.")

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]

    def get_secret(self, webhook: Subscription) -> str:
        """The secret."""
        return derive_secret(webhook.key)


class NewWebhookSerializer(serializers.Serializer[Any]):
    """Who wants to be told of what, where."""

    repo = serializers.CharField(max_length=100)
    url = serializers.CharField(max_length=254, help_text="https, public, without user and query.")
    topics = serializers.MultipleChoiceField(choices=Topic.choices, allow_empty=False)

    def validate_url(self, url: str) -> str:
        """Refuse what would never be called."""
        try:
            return str(clone_urls.parse_clone_url(url))
        except OrchestratorError as error:
            raise serializers.ValidationError(
                "Use https://host/path with a public host, without user, query or fragment."
            ) from error
