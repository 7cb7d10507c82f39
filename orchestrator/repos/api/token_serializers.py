"""The shapes of tokens, in and out."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.core.validators import RegexValidator
from django.utils import timezone
from rest_framework import serializers

from orchestrator.repos import tokens
from orchestrator.repos.api.serializers import ScopesSerializerField
from orchestrator.repos.models import Token, TokenStatus
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.request_bodies import RequestSerializer

DEFAULT_LIFETIME: Final = timedelta(days=90)
# It is written down as an author, in the history and in the log.
_NAME = RegexValidator(
    r"^[\w][\w .:@/+-]{0,99}\Z",
    "Use letters, digits, spaces and . : @ / + - _, beginning with a letter or digit.",
)


class TokenSerializer(serializers.ModelSerializer[Token]):
    """A token as the API shows it, without its secret."""

    repo = serializers.CharField(source="repo.name", default=None, allow_null=True)
    operator = serializers.BooleanField(source="is_operator", help_text="Whether it reaches every repo.")
    scopes = ScopesSerializerField(source="granted_scopes")
    status = serializers.ChoiceField(choices=TokenStatus.choices)
    replaces = serializers.IntegerField(
        source="replaces_id", allow_null=True, help_text="The token that this one was made for by rotation."
    )
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="Kept to the minute.")

    class Meta:
        model = Token
        fields = [
            "id",
            "name",
            "repo",
            "operator",
            "scopes",
            "status",
            "replaces",
            "created_by",
            "created_at",
            "expires_at",
            "last_used_at",
            "last_used_from",
            "revoked_at",
        ]


class CreatedTokenSerializer(TokenSerializer):
    """A token that has just been made, with its secret, which is shown this once."""

    secret = serializers.SerializerMethodField(help_text="The bearer token. It is not shown again.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "secret"]

    def get_secret(self, token: Token) -> str:  # noqa: ARG002 - it is not in the row
        """The secret, which only the maker of the token knows."""
        return str(self.context["secret"])


class NewTokenSerializer(RequestSerializer):
    """What it takes to make a token."""

    name = serializers.CharField(max_length=100, validators=[_NAME], help_text="What the token is for.")
    repo = serializers.CharField(
        max_length=100, required=False, help_text="The token of a repo may leave it out and means its own."
    )
    operator = serializers.BooleanField(
        required=False, default=False, help_text="In place of `repo`: a token that reaches every repo."
    )
    scopes = serializers.MultipleChoiceField(choices=list(TokenScope), allow_empty=False)
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="90 days from now if left out; null: never."
    )

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Refuse a time that is over."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("This time is over.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill in the end; refuse a token that is for one repo and for all."""
        if attrs["operator"] and "repo" in attrs:
            raise serializers.ValidationError({"operator": "Name a repo, or say operator, not both."})
        attrs.setdefault("expires_at", timezone.now() + DEFAULT_LIFETIME)
        return attrs


class TokenRotationSerializer(RequestSerializer):
    """How long the old token lives on beside its successor."""

    overlap_seconds = serializers.IntegerField(
        required=False,
        default=int(tokens.DEFAULT_OVERLAP.total_seconds()),
        min_value=0,
        max_value=int(tokens.LONGEST_OVERLAP.total_seconds()),
        help_text="The old token works for this long at most, so that its users can change over.",
    )
