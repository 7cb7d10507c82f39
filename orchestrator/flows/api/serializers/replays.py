"""The shapes of replays."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gates.base import Verdict
from orchestrator.flows.api.serializers.fields import ErrorSerializer
from orchestrator.flows.models import Replay, ReplayStatus


class ReplayedGateSerializer(serializers.Serializer[Any]):
    """A gate's sealed verdict beside the one that it gave again."""

    gate = serializers.CharField()
    sealed = serializers.ChoiceField(choices=[verdict.value for verdict in Verdict])
    sealed_score = serializers.CharField(allow_null=True)
    replayed = serializers.ChoiceField(choices=[verdict.value for verdict in Verdict])
    replayed_score = serializers.CharField(allow_null=True)
    summary = serializers.CharField()
    same = serializers.BooleanField()


class GateReplaySerializer(serializers.Serializer[Replay]):
    """The gates run again on a sealed block."""

    flow = serializers.CharField(source="flow_id")
    status = serializers.ChoiceField(choices=ReplayStatus.choices)
    same = serializers.BooleanField(
        allow_null=True, help_text="Whether every gate gave its sealed verdict again; null until done."
    )
    requested_at = serializers.DateTimeField(source="created_at")
    finished_at = serializers.DateTimeField(allow_null=True)
    comparison = serializers.SerializerMethodField()
    error = ErrorSerializer(
        allow_null=True,
        help_text="Why the gates could not be run in the original environment: what is missing or changed.",
    )

    @extend_schema_field(ReplayedGateSerializer(many=True))
    def get_comparison(self, replay: Replay) -> Any:
        """Each gate's sealed verdict beside the new one; empty until done."""
        return replay.result or []


class DifferenceSerializer(serializers.Serializer[Any]):
    """One thing that a replay found to be different."""

    stage = serializers.CharField()
    round = serializers.IntegerField()
    what = serializers.CharField(
        help_text="prompt digest, result, output <path>, artifact <kind>, gate <name>"
    )
    recorded = serializers.CharField()
    replayed = serializers.CharField()


class FlowReplayReportSerializer(serializers.Serializer[Any]):
    """The result of a flow's replay."""

    flow = serializers.CharField()
    stages = serializers.IntegerField(help_text="Stages that were run again.")
    calls = serializers.IntegerField(help_text="Recorded answers that were used; none was paid again.")
    same = serializers.BooleanField()
    differences = DifferenceSerializer(many=True)
    skipped = serializers.ListField(child=serializers.CharField())


class OffsetDateTimeField(serializers.DateTimeField):
    """A time that ends in ``+00:00``, as this answer always had it; every other answer ends in ``Z``."""

    def to_representation(self, value: datetime) -> str:
        """ISO 8601 with the offset in digits."""
        return value.isoformat()


class FlowReplaySerializer(serializers.Serializer[Replay]):
    """The replay of a flow from its record."""

    id = serializers.IntegerField()
    flow = serializers.CharField(source="flow_id")
    status = serializers.SerializerMethodField()
    created_by = serializers.CharField()
    created_at = OffsetDateTimeField()
    finished_at = OffsetDateTimeField(allow_null=True)
    report = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=["pending", "running", "same", "different"]))
    def get_status(self, replay: Replay) -> str:
        """A replay that is done says here whether it came out the same."""
        if replay.status != ReplayStatus.DONE:
            return replay.status
        return "same" if replay.same else "different"

    @extend_schema_field(FlowReplayReportSerializer(allow_null=True))
    def get_report(self, replay: Replay) -> Any:
        """``null`` until the replay is done."""
        return replay.result
