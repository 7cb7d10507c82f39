"""The shapes of repos and their settings, in and out: the one source of answers and of OpenAPI."""

from typing import Any

from django.core.validators import validate_email
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orchestrator.repos import clone_urls
from orchestrator.repos.models import REPO_NAME, Phase, Repo, RepoSetting, Token
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.links import url_of
from orchestrator.rest.request_bodies import RequestSerializer


@extend_schema_field({"type": "string", "anyOf": [{"format": "email"}, {"maxLength": 0}]})
class LeadField(serializers.CharField):
    """The mail address of a team lead; empty where none was named."""

    def to_internal_value(self, data: Any) -> str:
        """The address. Not an ``EmailField``, whose description would not let it be empty."""
        text = super().to_internal_value(data)
        if text:
            validate_email(text)
        return text


@extend_schema_field(
    {"type": "string", "anyOf": [{"pattern": clone_urls.PATTERN, "maxLength": 500}, {"maxLength": 0}]}
)
class CloneUrlTextField(serializers.CharField):
    """Where a repo may be cloned from; empty where it is not."""


class RepoSerializer(serializers.ModelSerializer[Repo]):
    """A repo as the API shows it."""

    team_lead = LeadField()
    enabled = serializers.BooleanField(
        source="is_enabled", help_text="Switched on, and named in REPO_ALLOWLIST where that is set."
    )

    url = serializers.SerializerMethodField(help_text="Where it is.")
    html_url = serializers.SerializerMethodField(help_text="Its dashboard, for people.")

    class Meta:
        model = Repo
        # The order here is the order of the answer, which tests hold byte for byte.
        fields = [
            "name",
            "domain",
            "team_lead",
            "clone_url",
            "phase",
            "enabled",
            "paused",
            "onboarded_at",
            "url",
            "html_url",
        ]

    def get_url(self, repo: Repo) -> str:
        """Its address in this API."""
        return url_of(self.context, f"/api/v1/repos/{repo.name}/")

    def get_html_url(self, repo: Repo) -> str:
        """Where a person looks at it."""
        return url_of(self.context, f"/dashboards/repos/{repo.name}/")


class NewRepoSerializer(RequestSerializer):
    """What it takes to register a repo."""

    name = serializers.CharField(max_length=100, validators=[REPO_NAME])
    domain = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    team_lead = LeadField(required=False, default="", allow_blank=True)
    clone_url = CloneUrlTextField(max_length=500, required=False, default="", allow_blank=True)
    # None and not a phase: registration then asks PILOT_REPOS.
    phase = serializers.ChoiceField(choices=Phase.choices, required=False, default=None, allow_null=True)


class SettingChangeSerializer(serializers.ModelSerializer[RepoSetting]):
    """One row of the history of settings."""

    at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = RepoSetting
        fields = ["key", "value", "actor", "at"]


class SettingSerializer(serializers.Serializer[Any]):
    """The value of one key, and which level has set it."""

    value = serializers.JSONField()
    # DRF's fields have an attribute of that name, so mypy takes this for an override.
    source = serializers.ChoiceField(choices=["env", "org", "repo"])  # type: ignore[assignment]
    note = serializers.CharField(
        help_text="Why a value that was set nearer does not count; empty if it does."
    )


class OrganisationConfigSerializer(serializers.Serializer[Any]):
    """Every key for the organisation."""

    repo = serializers.CharField(allow_null=True)
    config = serializers.DictField(child=SettingSerializer())
    history = SettingChangeSerializer(many=True)


class RepoConfigSerializer(serializers.Serializer[Any]):
    """Every key for one repo."""

    repo = serializers.CharField()
    enabled = serializers.BooleanField()
    config = serializers.DictField(child=SettingSerializer())
    history = SettingChangeSerializer(many=True)


class ScopesSerializerField(serializers.ListField):
    """What a token may do, in full."""

    child = serializers.ChoiceField(choices=list(TokenScope))


class TokenOwnerSerializer(serializers.ModelSerializer[Token]):
    """The token of a request: its name, the repo that it is bound to, what it may do and how long."""

    operator = serializers.BooleanField(source="is_operator")
    repo = serializers.CharField(source="repo.name", default=None, allow_null=True)
    scopes = ScopesSerializerField(source="granted_scopes")

    class Meta:
        model = Token
        fields = ["name", "operator", "repo", "scopes", "expires_at"]
