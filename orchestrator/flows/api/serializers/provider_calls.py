"""The shapes of provider calls."""

from typing import Any

from rest_framework import serializers

from orchestrator.flows.api.serializers.fields import UsdField
from orchestrator.rest.resolved_fields import ResolvedFields
from providers.base import UsageSource
from providers.models import CallStatus, ProviderCall


class TokenCountsSerializer(ResolvedFields, serializers.Serializer[ProviderCall]):
    """The tokens of a call in disjoint parts."""

    input = serializers.IntegerField(source="input_tokens")
    cache_read = serializers.IntegerField(source="cache_read_tokens")
    cache_write_5m = serializers.IntegerField(source="cache_write_5m_tokens")
    cache_write_1h = serializers.IntegerField(source="cache_write_1h_tokens")
    output = serializers.IntegerField(source="output_tokens")
    reasoning = serializers.IntegerField(source="reasoning_tokens")


class ProviderCallSerializer(ResolvedFields, serializers.ModelSerializer[ProviderCall]):
    """One provider call with its tokens and its cost; never the prompt or the answer."""

    id = serializers.UUIDField()
    model = serializers.CharField(
        source="shown_model", help_text="The model that answered, by the provider's words."
    )
    asked_model = serializers.CharField(source="model", help_text="The name that was asked.")
    fallback_from = serializers.CharField(help_text="The model that was asked first, where another answered.")
    usage_source = serializers.ChoiceField(
        choices=[source.value for source in UsageSource], help_text="Where the charged tokens come from."
    )
    stage = serializers.CharField(source="stage_kind")
    status = serializers.ChoiceField(choices=CallStatus.choices)
    tokens = TokenCountsSerializer(source="*")
    cost_usd = UsdField()
    price = serializers.DictField()

    class Meta:
        model = ProviderCall
        fields = [
            "id",
            "provider",
            "model",
            "asked_model",
            "fallback_from",
            "stage",
            "status",
            "reserved_tokens",
            "tokens",
            "usage_source",
            "cost_usd",
            "price",
            "latency_ms",
            "error_code",
            "error_message",
            "created_at",
            "settled_at",
        ]


class FlowCallsSerializer(serializers.Serializer[Any]):
    """Every provider call of a flow."""

    flow = serializers.CharField()
    cost_usd = UsdField()
    calls = ProviderCallSerializer(many=True)
