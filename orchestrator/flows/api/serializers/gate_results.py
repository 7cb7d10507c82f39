"""The shapes of gate results."""

from typing import Any

from rest_framework import serializers

from gates.base import Verdict
from orchestrator.flows.models import GateResult
from orchestrator.flows.models.states import FlowStatus
from orchestrator.rest.resolved_fields import ResolvedFields


class GateResultSerializer(ResolvedFields, serializers.ModelSerializer[GateResult]):
    """One gate's report in one round."""

    verdict = serializers.ChoiceField(choices=[verdict.value for verdict in Verdict])
    # Text, because a float would lose the decimals of 87.50.
    score = serializers.CharField(allow_null=True)
    threshold = serializers.CharField(allow_null=True)
    findings = serializers.ListField()
    details = serializers.DictField()

    class Meta:
        model = GateResult
        fields = [
            "gate",
            "round",
            "verdict",
            "score",
            "threshold",
            "summary",
            "cure",
            "findings",
            "details",
            "seconds",
            "created_at",
        ]


class FlowGatesSerializer(serializers.Serializer[Any]):
    """Every gate's reports."""

    flow = serializers.CharField()
    status = serializers.ChoiceField(choices=FlowStatus.choices)
    gates = GateResultSerializer(many=True)
