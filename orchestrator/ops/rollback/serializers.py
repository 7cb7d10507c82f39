"""The shapes of rollbacks, in and out."""

from datetime import datetime, timedelta
from typing import Any, Final

from rest_framework import serializers

from orchestrator.ops.rollback import plan, restoration
from orchestrator.ops.rollback.models import (
    Announcement,
    Rollback,
    RollbackKind,
    RollbackRepo,
    RollbackVote,
    RunningFlows,
    TriggerState,
    VoterRole,
    VoteVerdict,
)
from orchestrator.rest.links import url_of
from orchestrator.rest.request_bodies import RequestSerializer

DECIDE_AFTER: Final = timedelta(hours=48)
"""The launch runbook decides on bringing repos back two days after a rollback."""


class AffectedRepoLineSerializer(serializers.Serializer[Any]):
    """A repo that would be switched off, in the columns of the launch runbook's SQL."""

    repo_name = serializers.CharField()
    onboarded_at = serializers.DateTimeField()
    owner = serializers.CharField()
    flows = serializers.IntegerField(help_text="Flows that have not ended.")


class DraftedMessageSerializer(serializers.Serializer[Any]):
    """What would be said."""

    template = serializers.CharField()
    notifier = serializers.CharField()
    target = serializers.CharField()
    subject = serializers.CharField()
    body = serializers.CharField()


class RollbackPlanSerializer(serializers.Serializer[Any]):
    """What a rollback would do."""

    kind = serializers.ChoiceField(choices=RollbackKind.choices)
    flows = serializers.ChoiceField(choices=RunningFlows.choices)
    pilot_repos = serializers.ListField(child=serializers.CharField())
    repos = AffectedRepoLineSerializer(many=True)
    steps = serializers.ListField(child=serializers.CharField())
    commands = serializers.ListField(child=serializers.CharField(), help_text="What people type.")
    announcements = DraftedMessageSerializer(many=True)


class NewRollbackSerializer(RequestSerializer):
    """What it takes to begin a rollback."""

    # Named each time: a default would make the worst of three answers the easiest to type.
    kind = serializers.ChoiceField(choices=RollbackKind.choices)
    reason = serializers.CharField(max_length=1000)
    flows = serializers.ChoiceField(
        # The launch runbook's: "Existing flows will continue."
        choices=RunningFlows.choices,
        required=False,
        default=RunningFlows.DRAIN.value,
    )
    eta = serializers.CharField(
        max_length=100, required=False, default="not known yet", help_text="For manual review: until when."
    )
    incident = serializers.IntegerField(
        min_value=1, required=False, help_text="Its incident; without one, a P1 opens."
    )


class RollbackVoteSerializer(serializers.ModelSerializer[RollbackVote]):
    """What somebody says to bringing a repo back."""

    # Empty where the rollback has no repos.
    repo = serializers.CharField(source="repo.name", default="")

    class Meta:
        model = RollbackVote
        fields = ["id", "repo", "role", "person", "verdict", "reason", "created_at", "expires_at"]


class RolledBackRepoSerializer(serializers.ModelSerializer[RollbackRepo]):
    """A repo of a rollback, and the votes on it that count now."""

    repo = serializers.CharField(source="repo.name")
    owner = serializers.CharField(source="repo.team_lead")
    # Those that count now, and not all that were cast: the question is who is missing.
    votes = serializers.SerializerMethodField()

    class Meta:
        model = RollbackRepo
        fields = ["repo", "owner", "restored_at", "restored_by", "votes"]

    def get_votes(self, row: RollbackRepo) -> dict[str, str]:
        """The verdict of each role that has voted."""
        # It is back: nobody has to vote any more.
        if row.restored_at is not None:
            return {}
        found = restoration.find_votes(row.rollback, row)
        return {role: vote.verdict for role, vote in found.items()}


class AnnouncementSerializer(serializers.ModelSerializer[Announcement]):
    """What is to be said of a rollback."""

    class Meta:
        model = Announcement
        fields = ["id", "template", "notifier", "target", "subject", "body", "status", "decided_by"]


class RollbackSerializer(serializers.ModelSerializer[Rollback]):
    """A rollback and how it stands."""

    repos = RolledBackRepoSerializer(many=True)
    announcements = AnnouncementSerializer(many=True)
    commands = serializers.SerializerMethodField(help_text="What people type.")
    flows_left = serializers.SerializerMethodField(help_text="Flows of its repos that have not ended.")
    decide_from = serializers.SerializerMethodField(help_text="When to decide on bringing repos back.")
    url = serializers.SerializerMethodField(help_text="Where it is.")

    class Meta:
        model = Rollback
        fields = [
            "id",
            "kind",
            "status",
            "trigger",
            "flows",
            "flows_left",
            "reason",
            "actor",
            "incident",
            "created_at",
            "in_force_at",
            "decide_from",
            "ended_at",
            "ended_by",
            "repos",
            "announcements",
            "commands",
            "url",
        ]

    def get_commands(self, rollback: Rollback) -> list[str]:
        """The launch runbook's."""
        return list(plan.COMMANDS[rollback.kind])

    def get_flows_left(self, rollback: Rollback) -> int:
        """How many still drain."""
        return plan.count_unfinished(row.repo for row in rollback.repos.all())

    def get_decide_from(self, rollback: Rollback) -> datetime:
        """Two days after it began."""
        return rollback.created_at + DECIDE_AFTER

    def get_url(self, rollback: Rollback) -> str:
        """Its address in this API."""
        return url_of(self.context, f"/api/v1/rollback/{rollback.pk}/")


class TriggerStateSerializer(serializers.ModelSerializer[TriggerState]):
    """What a trigger saw last."""

    class Meta:
        model = TriggerState
        fields = ["name", "verdict", "value", "samples", "detail", "armed", "checked_at"]


class RolloutStandingSerializer(serializers.Serializer[Any]):
    """How the rollout stands: what is rolled back, and what the triggers see."""

    onboarding_open = serializers.BooleanField()
    dry_run = serializers.BooleanField(help_text="Whether triggers only say what they would do.")
    # Empty until the dispatcher has looked for the first time.
    triggers = TriggerStateSerializer(many=True)
    rollbacks = RollbackSerializer(many=True, help_text="Those that are not over, then the newest others.")


class NewVoteSerializer(RequestSerializer):
    """A GO or a NO."""

    repo = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    role = serializers.ChoiceField(choices=VoterRole.choices)
    verdict = serializers.ChoiceField(choices=VoteVerdict.choices)
    reason = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class RestorationSerializer(RequestSerializer):
    """Which repo comes back; none for a rollback to the previous version."""

    repo = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class DeclinationSerializer(RequestSerializer):
    """Why a rollback that is asked for is not wanted."""

    reason = serializers.CharField(max_length=1000)


class SentAnnouncementSerializer(RequestSerializer):
    """Other words than the draft's."""

    body = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
