"""The shapes of quotas: what each provider has used, and what it still admits."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from blocks.format.moments import read_moments
from orchestrator.rest.request_bodies import RequestSerializer
from providers.breaker import QuotaLevel
from providers.quota_report import ProviderQuota


class _PlainDecimalField(serializers.CharField):
    """An exact decimal number as digits, never with an exponent."""

    def to_representation(self, value: Decimal) -> str:  # type: ignore[override]  # stubs: only str
        # str() writes a small Decimal with an exponent: 1E-7.
        return f"{value:f}"


class _ReasonField(serializers.CharField):
    """Why something waits, with its moments as people read them now."""

    def to_representation(self, value: str) -> str:
        return read_moments(str(value), timezone.now())


class HourSerializer(serializers.Serializer[Any]):
    """The tokens of one hour: a bar of a chart."""

    start = serializers.DateTimeField()
    tokens = serializers.IntegerField()


class ProviderQuotaSerializer(serializers.Serializer[ProviderQuota]):
    """One provider, now."""

    provider = serializers.CharField()
    percent = serializers.FloatField(
        help_text="Used tokens of the daily quota; what the breaker's thresholds are compared with."
    )
    tokens_minute = serializers.IntegerField()
    tokens_minute_limit = serializers.IntegerField()
    requests_minute = serializers.IntegerField()
    requests_minute_limit = serializers.IntegerField()
    concurrency_limit = serializers.IntegerField()
    breaker = serializers.ChoiceField(choices=["closed", "open", "half-open"])
    breaker_until = serializers.DateTimeField(allow_null=True)
    not_before = serializers.DateTimeField(
        allow_null=True, help_text="Until when the provider asked everybody to wait."
    )
    account_exhausted = serializers.BooleanField(
        help_text="The provider refuses because the account is used up; only people can end that."
    )
    paused = serializers.BooleanField()
    pause_reason = serializers.CharField()
    unknown_calls = serializers.IntegerField(help_text="Calls whose use was never learned; charged in full.")
    limit_tokens = serializers.IntegerField(source="limit", help_text="Tokens in any 24 hours.")
    used_tokens = serializers.IntegerField(source="used")
    reserved_tokens = serializers.IntegerField(source="reserved", help_text="Set aside for calls under way.")
    left_tokens = serializers.SerializerMethodField()
    # DRF reads a source of dots through attributes, so the enum arrives as its plain text.
    level = serializers.ChoiceField(choices=[level.value for level in QuotaLevel], source="level.value")
    inflight = serializers.IntegerField(help_text="Calls under way.")
    admits = serializers.BooleanField(
        source="next_capacity.admits", help_text="Whether a call may leave now."
    )
    reason = _ReasonField(source="next_capacity.reason", help_text="Why not.")
    until = serializers.DateTimeField(
        source="next_capacity.at", allow_null=True, help_text="When it is worth asking again."
    )
    cost_usd = _PlainDecimalField(source="usd")
    unknown_usd = _PlainDecimalField()
    hours = HourSerializer(many=True)

    def get_left_tokens(self, quota: ProviderQuota) -> int:
        """Neither used nor set aside; a lowered limit may be overdrawn already."""
        return max(0, quota.limit - quota.used - quota.reserved)


class QuotaSerializer(serializers.Serializer[Any]):
    """Every provider, and the budget over all of them."""

    at = serializers.DateTimeField()
    window_hours = serializers.IntegerField()
    daily_budget_usd = _PlainDecimalField(source="usd_limit")
    spent_usd = _PlainDecimalField(help_text="With what is set aside for calls under way.")
    circuit_breaker_enabled = serializers.BooleanField()
    circuit_breaker_threshold = serializers.IntegerField(
        help_text="Percent of a daily quota at which no new stage starts."
    )
    providers = ProviderQuotaSerializer(many=True)


class SwitchReasonSerializer(RequestSerializer):
    """Why an operator pauses or resumes a provider."""

    reason = serializers.CharField(max_length=1000)


class ProviderSwitchSerializer(serializers.Serializer[Any]):
    """The newest turn of a provider's switch, made now or before; one that was never turned has none."""

    provider = serializers.CharField()
    changed = serializers.BooleanField(help_text="Whether this request has turned it.")
    action = serializers.ChoiceField(choices=["paused", "resumed"], required=False)
    actor = serializers.CharField(required=False, help_text="Who turned it.")
    reason = serializers.CharField(required=False)
    created_at = serializers.DateTimeField(required=False)
