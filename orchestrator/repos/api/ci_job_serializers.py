"""The shapes of the exchange of OIDC tokens, and of the trusts that it needs."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from orchestrator.repos.ci_jobs.id_tokens import MAX_LENGTH
from orchestrator.repos.models import CI_REPOSITORY, MOST_REFS, CiTrust, validate_refs
from orchestrator.repos.scopes import CI_SCOPES, TRUSTED_SCOPES


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


class NewCiTrustSerializer(serializers.Serializer[Any]):
    """Which CI jobs to trust."""

    issuer = serializers.CharField(
        max_length=200, help_text="`github`, `gitlab`, or the address of an issuer that operators have named."
    )
    repository = serializers.CharField(
        max_length=255, validators=[CI_REPOSITORY], help_text="As the CI names it: owner/name."
    )
    refs = serializers.ListField(
        child=serializers.CharField(max_length=255),
        min_length=1,
        max_length=MOST_REFS,
        validators=[validate_refs],
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

    def validate_issuer(self, value: str) -> str:
        """The address of the issuer, also where its kind is named."""
        issuers: dict[str, str] = settings.CI_OIDC_ISSUERS
        found = [address for address, kind in issuers.items() if value in {address, kind}]
        if len(found) != 1:
            raise serializers.ValidationError(f"Name one of {', '.join(issuers)}.")
        return found[0]

    def validate_scopes(self, value: set[str]) -> list[str]:
        """In one order, as they are stored."""
        return sorted(value)


class IdTokenSerializer(serializers.Serializer[Any]):
    """The OIDC token of a CI job."""

    oidc_token = serializers.CharField(max_length=MAX_LENGTH, help_text="What the CI has signed for the job.")
    repo = serializers.CharField(
        max_length=100,
        required=False,
        default="",
        allow_blank=True,
        help_text="Only where several repos trust the job.",
    )
