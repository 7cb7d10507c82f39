"""The shapes of onboarding, in and out."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from onboarding import batch
from onboarding.engine.validation import REPO_PATTERN
from onboarding.models import (
    CiCredentials,
    CiSystem,
    CodeHostKind,
    OnboardingEvent,
    OnboardingRequest,
    OnboardingStep,
)
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.core.audit import MOST_REASON
from orchestrator.core.registry import Registry
from orchestrator.ops.rollback.models import VoterRole, VoteVerdict
from orchestrator.repos.api.serializers import CloneUrlTextField
from orchestrator.repos.models import REPO_NAME, Phase
from orchestrator.rest.links import url_of
from orchestrator.rest.request_bodies import RequestSerializer

_TABLES: Final[dict[str, Registry[Any]]] = {
    "check": CHECKS,
    "provision": PROVISIONING,
    "undo": PROVISIONING,
}


class OnboardingRequestSerializer(serializers.ModelSerializer[OnboardingRequest]):
    """A repo that is to be enabled, and how far it is."""

    url = serializers.SerializerMethodField(help_text="Where it is.")

    class Meta:
        model = OnboardingRequest
        fields = [
            "reference",
            "repo_name",
            "code_host",
            "code_host_path",
            "clone_url",
            "block_family",
            "team_lead",
            "ci_system",
            "ci_credentials",
            "clones_privately",
            "requested_from",
            "phase",
            "wanted_on",
            "planned_for",
            "provisioned_on",
            "status",
            "decided_by",
            "decided_at",
            "created_at",
            "queued_at",
            "ready_at",
            "url",
        ]

    def get_url(self, request: OnboardingRequest) -> str:
        """Its address in this API."""
        return url_of(self.context, f"/api/v1/onboarding/{request.reference}/")


class OnboardingLogLineSerializer(serializers.Serializer[Any]):
    """A line of a step's log."""

    at = serializers.DateTimeField()
    line = serializers.CharField()


class OnboardingStepSerializer(serializers.ModelSerializer[OnboardingStep]):
    """A check, a piece of provisioning, or its undo."""

    title = serializers.SerializerMethodField()
    outputs = serializers.DictField(help_text="What it has found or made; never a secret.")
    log = OnboardingLogLineSerializer(many=True)

    class Meta:
        model = OnboardingStep
        fields = [
            "name",
            "title",
            "kind",
            "status",
            "attempt",
            "reason",
            "cure",
            "not_before",
            "started_at",
            "finished_at",
            "outputs",
            "log",
        ]

    def get_title(self, step: OnboardingStep) -> str:
        """What it is for, in a sentence; its name where this release does not have it any more."""
        table = _TABLES[step.kind]
        if step.name not in table:
            return step.name
        return str(table.get(step.name).title)


class OnboardingEventSerializer(serializers.ModelSerializer[OnboardingEvent]):
    """A line of the timeline."""

    class Meta:
        model = OnboardingEvent
        fields = ["kind", "actor", "text", "created_at"]


class OnboardingDetailSerializer(OnboardingRequestSerializer):
    """A request with its steps and its timeline."""

    steps = OnboardingStepSerializer(many=True)
    events = OnboardingEventSerializer(many=True)

    class Meta(OnboardingRequestSerializer.Meta):
        fields = [*OnboardingRequestSerializer.Meta.fields, "steps", "events"]


@extend_schema_field({"type": "string", "pattern": REPO_PATTERN, "maxLength": 255})
class RepoOrPathField(serializers.CharField):
    """A repo by our name or by that of its code host."""


class NewOnboardingRequestSerializer(RequestSerializer):
    """What it takes to ask for a repo."""

    repo = RepoOrPathField(
        max_length=255, help_text="As the code host names it, owner/name; or our short name alone."
    )
    block_family = serializers.CharField(
        max_length=100, validators=[REPO_NAME], help_text="compliance, observability, ..."
    )
    team_lead = serializers.EmailField(help_text="Who says yes for the team.")
    code_host = serializers.ChoiceField(choices=CodeHostKind.choices, required=False, default="github")
    ci_system = serializers.ChoiceField(choices=CiSystem.choices, required=False, default="github_actions")
    ci_credentials = serializers.ChoiceField(choices=CiCredentials.choices, required=False, default="secret")
    clones_privately = serializers.BooleanField(required=False, default=False)
    clone_url = CloneUrlTextField(max_length=500, required=False, default="", allow_blank=True)
    phase = serializers.ChoiceField(
        choices=Phase.choices, required=False, help_text="The day decides without it."
    )
    wanted_on = serializers.DateField(required=False, help_text="Not before this day.")


class OnboardingReasonSerializer(RequestSerializer):
    """Why somebody acts; it is kept in the timeline and in the audit trail."""

    reason = serializers.CharField(max_length=MOST_REASON)


class NewOnboardingBatchSerializer(RequestSerializer):
    """A list of repos, as CSV text: one a line, the columns in the order of the documentation."""

    # White space at the ends belongs to the list, so lines keep their numbers.
    repos = serializers.CharField(max_length=batch.MOST_BYTES, trim_whitespace=False)
    wanted_on = serializers.DateField(required=False, help_text="For lines that name no day.")


class OnboardingBatchSerializer(serializers.Serializer[Any]):
    """What a list has become."""

    requests = OnboardingRequestSerializer(many=True)


class OnboardingRolloutSerializer(serializers.Serializer[Any]):
    """Whether requests are taken and begun."""

    is_open = serializers.BooleanField(help_text="Whether requests are taken.")
    closed = serializers.CharField(help_text="Why not; empty where they are.")
    hold = serializers.CharField(help_text="What keeps those in line from beginning; empty where nothing.")
    missing_votes = serializers.ListField(child=serializers.CharField(), help_text="Whose GO is missing.")
    begun_today = serializers.IntegerField()
    most_per_day = serializers.IntegerField()
    in_line = serializers.IntegerField()


class NewRolloutVoteSerializer(RequestSerializer):
    """GO or NO to taking repos again after a P1."""

    role = serializers.ChoiceField(choices=VoterRole.choices)
    verdict = serializers.ChoiceField(choices=VoteVerdict.choices)
    reason = serializers.CharField(max_length=MOST_REASON, required=False, default="", allow_blank=True)
