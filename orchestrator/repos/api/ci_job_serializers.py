"""The shapes of the exchange of OIDC tokens, and of the trusts that it needs."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from orchestrator.repos.ci_jobs.id_tokens import MAX_LENGTH
from orchestrator.repos.models import CI_REPOSITORY, MOST_REFS, REF_PATTERN, CiTrust
from orchestrator.repos.scopes import CI_SCOPES, TRUSTED_SCOPES
from orchestrator.rest.request_bodies import RequestSerializer


class CiTrustSerializer(serializers.ModelSerializer[CiTrust]):
    """Which CI jobs a repo trusts, and what they may do."""

    repo = serializers.CharField(source="repo.name")
    refs = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=TRUSTED_SCOPES))

    class Meta:
        model = CiTrust
        fields = [
            "id",
            "repo",
            "issuer",
            "repository",
            "repository_id",
            "refs",
            "environment",
            "scopes",
            "created_by",
            "created_at",
        ]
        extra_kwargs = {
            "repository_id": {
                "help_text": "The CI's number of the repository; empty until the first exchange."
            },
            "environment": {"help_text": "Empty: any environment, or none."},
        }


class IssuerField(serializers.ChoiceField):
    """The issuer of OIDC tokens: its address, or its kind where operators have named one of the kind."""

    def __init__(self, **kwargs: Any) -> None:
        # DRF makes a copy of each field for each serializer, so the choices are those of the settings now.
        super().__init__(choices=list(_name_issuers()), **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The address, also where the kind is named."""
        return _name_issuers()[super().to_internal_value(data)]


def _name_issuers() -> dict[str, str]:
    """What a caller may say to the address that it means."""
    issuers: dict[str, str] = settings.CI_OIDC_ISSUERS
    kinds = list(issuers.values())
    # With two addresses of a kind, the kind alone does not say which.
    alone = {kind: address for address, kind in issuers.items() if kinds.count(kind) == 1}
    return {address: address for address in issuers} | alone


class NewCiTrustSerializer(RequestSerializer):
    """Which CI jobs to trust."""

    issuer = IssuerField(help_text="The address of an issuer that operators have named, or its kind.")
    repository = serializers.CharField(
        max_length=255, validators=[CI_REPOSITORY], help_text="As the CI names it: owner/name."
    )
    refs = serializers.ListField(
        child=serializers.RegexField(
            REF_PATTERN,
            max_length=255,
            trim_whitespace=False,
            error_messages={
                "invalid": "Name branches or tags in full, such as refs/heads/main or refs/tags/v*."
            },
        ),
        min_length=1,
        max_length=MOST_REFS,
        help_text="Branches and tags in full; `*` stands for any characters: refs/heads/main, refs/tags/v*.",
    )
    environment = serializers.CharField(max_length=255, required=False, default="", allow_blank=True)
    scopes = serializers.MultipleChoiceField(
        choices=TRUSTED_SCOPES,
        required=False,
        allow_empty=False,
        default=lambda: {str(scope) for scope in CI_SCOPES},
        help_text=f"{', '.join(CI_SCOPES)} if left out.",
    )

    def validate_scopes(self, value: set[str]) -> list[str]:
        """In one order, as they are stored."""
        return sorted(value)


class IdTokenSerializer(RequestSerializer):
    """The OIDC token of a CI job."""

    oidc_token = serializers.CharField(max_length=MAX_LENGTH, help_text="What the CI has signed for the job.")
    repo = serializers.CharField(
        max_length=100,
        required=False,
        default="",
        allow_blank=True,
        help_text="Only where several repos trust the job.",
    )
