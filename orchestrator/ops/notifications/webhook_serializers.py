"""The shapes of webhooks and of the log of their deliveries, in and out."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestrator.core.errors import OrchestratorError
from orchestrator.ops.notifications.models import (
    DeliveryAttempt,
    Notification,
    NotificationStatus,
    Subscription,
    Topic,
    validate_topics_of_repo,
)
from orchestrator.ops.notifications.webhook_secret import read_secret
from orchestrator.repos import clone_urls
from orchestrator.rest.request_bodies import RequestSerializer

# As long as the column of targets.
_LONGEST_URL = 254
_FORM_OF_URL = "https, public, without user and query."


class WebhookSerializer(serializers.ModelSerializer[Subscription]):
    """A webhook. Its receiver has failed ``failures`` times in a row, and rests until ``rests_until``."""

    repo = serializers.CharField(
        source="repo.name", default=None, allow_null=True, help_text="null: for the organisation."
    )
    url = serializers.CharField(source="target")
    topics = serializers.ListField(child=serializers.ChoiceField(choices=Topic.choices))

    class Meta:
        model = Subscription
        fields = [
            "id",
            "repo",
            "url",
            "topics",
            "is_active",
            "failures",
            "rests_until",
            "created_by",
            "created_at",
        ]


class CreatedWebhookSerializer(WebhookSerializer):
    """A webhook that has a new secret, with it."""

    secret = serializers.SerializerMethodField(help_text="What signatures are checked with. Keep it.")

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]

    def get_secret(self, webhook: Subscription) -> str:
        """The secret."""
        return read_secret(webhook)


@extend_schema_field({"type": "string", "pattern": clone_urls.PATTERN, "maxLength": _LONGEST_URL})
class ReceiverUrlField(serializers.CharField):
    """Where the requests of a webhook go. Checked as clone URLs are: both lead from here to anywhere."""

    def __init__(self, **kwargs: Any) -> None:
        # Not trimmed: a client that holds to the described pattern sends no space, and others are refused.
        described = {"max_length": _LONGEST_URL, "trim_whitespace": False, "help_text": _FORM_OF_URL}
        super().__init__(**{**described, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """The address in its one form; refuses what would never be called."""
        try:
            return str(clone_urls.parse_clone_url(super().to_internal_value(data)))
        except OrchestratorError as error:
            raise serializers.ValidationError(
                "Use https://host/path with a public host, without user, query or fragment."
            ) from error


class WebhookChangeSerializer(RequestSerializer):
    """What can be changed of a webhook; what is left out stays."""

    url = ReceiverUrlField(required=False)
    topics = serializers.MultipleChoiceField(choices=Topic.choices, allow_empty=False, required=False)
    is_active = serializers.BooleanField(required=False, help_text="false: nothing new is written for it.")

    def validate_topics(self, topics: set[str]) -> list[str]:
        """In one order, as they are stored."""
        return sorted(topics)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse topics that a webhook of one repo would never hear of."""
        webhook: Subscription | None = self.instance
        if webhook is not None and webhook.repo_id is not None:
            _refuse_unheard_topics(attrs)
        return attrs

    def update(self, webhook: Subscription, given: dict[str, Any]) -> Subscription:
        """Change the row."""
        for name, value in given.items():
            setattr(webhook, "target" if name == "url" else name, value)
        webhook.save(update_fields=["target", "topics", "is_active"])
        return webhook


class NewWebhookSerializer(WebhookChangeSerializer):
    """Who wants to be told of what, where."""

    repo = serializers.CharField(
        max_length=100, required=False, help_text="The token of a repo may leave it out and means its own."
    )
    organisation = serializers.BooleanField(
        required=False, default=False, help_text="In place of `repo`: of every repo, and of the organisation."
    )
    url = ReceiverUrlField()
    topics = serializers.MultipleChoiceField(choices=Topic.choices, allow_empty=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a webhook that is for one repo and for all, or with topics that it would never hear of."""
        if attrs["organisation"] and "repo" in attrs:
            raise serializers.ValidationError({"organisation": "Name a repo, or say organisation, not both."})
        if not attrs["organisation"]:
            _refuse_unheard_topics(attrs)
        return attrs


def _refuse_unheard_topics(attrs: dict[str, Any]) -> None:
    try:
        validate_topics_of_repo(attrs.get("topics", ()))
    except ValidationError as error:
        raise serializers.ValidationError({"topics": error.messages}) from error


class DeliveryAttemptSerializer(serializers.ModelSerializer[DeliveryAttempt]):
    """One time that a message was sent, or was tried to be."""

    # By our clock: that of a receiver may be wrong.
    at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = DeliveryAttempt
        fields = ["at", "accepted", "result", "duration_ms"]


class DeliverySerializer(serializers.ModelSerializer[Notification]):
    """A message for a webhook, and whether its receiver has accepted it."""

    # The same with each attempt: receivers tell repetitions by it.
    webhook_id = serializers.UUIDField(source="key", help_text="Sent as the header of that name, each time.")
    topic = serializers.CharField(source="subject")

    class Meta:
        model = Notification
        fields = [
            "id",
            "webhook_id",
            "topic",
            "status",
            "attempts",
            "error_code",
            "error_message",
            "error_cure",
            "created_at",
            "sent_at",
        ]


class DeliveryDetailSerializer(DeliverySerializer):
    """The same with what was sent, and each attempt."""

    log = DeliveryAttemptSerializer(many=True, source="tries")

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "body", "log"]


class ReplayRequestSerializer(RequestSerializer):
    """Which messages to send once more."""

    since = serializers.DateTimeField(help_text="Those that were written at this time or later.")
    status = serializers.ChoiceField(
        choices=[NotificationStatus.GIVEN_UP, NotificationStatus.SENT],
        required=False,
        default=NotificationStatus.GIVEN_UP,
        help_text="Those that were given up, or those that were accepted.",
    )


class ReplayedSerializer(serializers.Serializer[Any]):
    """How many messages are sent once more."""

    replayed = serializers.IntegerField()
    more = serializers.BooleanField(help_text="There are others; ask again.")
