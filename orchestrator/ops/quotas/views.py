"""What each provider may still use, and the switch that pauses one, over REST."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos.access import caller_of, require_operator
from orchestrator.rest.problems import Problem
from providers import breaker, quota_report
from providers.models import ProviderChange
from providers.quota_report import ProviderQuota

_HOURS = 24


class HourShown(s.Serializer[Any]):
    """One bar of a chart."""

    start = s.DateTimeField()
    tokens = s.IntegerField()


class ProviderShown(s.Serializer[Any]):
    """One provider, now."""

    provider = s.CharField()
    limit_tokens = s.IntegerField(help_text="Tokens in any 24 hours.")
    used_tokens = s.IntegerField()
    reserved_tokens = s.IntegerField(help_text="Set aside for calls under way.")
    left_tokens = s.IntegerField()
    percent = s.FloatField(
        help_text="Used tokens of the daily quota; what the breaker's thresholds are compared with."
    )
    level = s.ChoiceField(choices=[level.value for level in breaker.QuotaLevel])
    tokens_minute = s.IntegerField()
    tokens_minute_limit = s.IntegerField()
    requests_minute = s.IntegerField()
    requests_minute_limit = s.IntegerField()
    inflight = s.IntegerField(help_text="Calls under way.")
    concurrency_limit = s.IntegerField()
    breaker = s.ChoiceField(choices=["closed", "open", "half-open"])
    breaker_until = s.DateTimeField(allow_null=True)
    not_before = s.DateTimeField(
        allow_null=True, help_text="Until when the provider asked everybody to wait."
    )
    paused = s.BooleanField()
    pause_reason = s.CharField()
    admits = s.BooleanField(help_text="Whether a call may leave now.")
    reason = s.CharField(help_text="Why not.")
    until = s.DateTimeField(allow_null=True, help_text="When it is worth asking again.")
    cost_usd = s.CharField()
    unknown_calls = s.IntegerField(help_text="Calls whose use was never learned; charged in full.")
    unknown_usd = s.CharField()
    hours = HourShown(many=True)


class QuotaShown(s.Serializer[Any]):
    """Every provider, and the budget over all of them."""

    at = s.DateTimeField()
    window_hours = s.IntegerField()
    daily_budget_usd = s.CharField()
    spent_usd = s.CharField(help_text="With what is set aside for calls under way.")
    circuit_breaker_enabled = s.BooleanField()
    circuit_breaker_threshold = s.IntegerField(
        help_text="Percent of a daily quota at which no new stage starts."
    )
    providers = ProviderShown(many=True)


class Why(s.Serializer[Any]):
    """The reason of a change."""

    reason = s.CharField(max_length=1000)


class ChangeShown(s.ModelSerializer[ProviderChange]):
    """Who paused or resumed a provider, when and why."""

    class Meta:
        model = ProviderChange
        fields = ["provider", "action", "actor", "reason", "created_at"]


class Quota(APIView):
    """The providers' quotas."""

    @extend_schema(operation_id="quota", tags=["quota"], responses=QuotaShown)
    def get(self, request: Request) -> Response:
        """Tokens used, set aside and left of the last 24 hours, each provider, what holds it up, and the USD."""
        caller_of(request)
        found = quota_report.snapshot()
        return Response(
            {
                "at": found.at,
                "window_hours": _HOURS,
                "daily_budget_usd": f"{found.usd_limit:f}",
                "spent_usd": f"{found.usd_used.normalize():f}",
                "circuit_breaker_enabled": found.circuit_breaker_enabled,
                "circuit_breaker_threshold": found.circuit_breaker_threshold,
                "providers": [_shown(one) for one in found.providers],
            }
        )


class Switch(APIView):
    """Pauses or resumes one provider."""

    turn = "pause"

    def post(self, request: Request, provider: str) -> Response:
        """Turn the switch, recorded with who, when and why. For operators. 200 with the newest change, made now or before."""
        actor = require_operator(request).name
        if provider not in settings.PROVIDERS:
            known = ", ".join(settings.PROVIDERS)
            raise Problem(
                404,
                "quota:unknown-provider",
                f"There is no provider {provider!r}.",
                cure=f"Name one of {known}.",
            )
        asked = Why(data=request.data)
        asked.is_valid(raise_exception=True)
        verb = breaker.pause if self.turn == "pause" else breaker.resume
        changed = verb(provider, actor=actor, reason=asked.validated_data["reason"])
        newest = ProviderChange.objects.filter(provider=provider, action__in=["paused", "resumed"]).first()
        return Response(
            {"provider": provider, "changed": changed} | (dict(ChangeShown(newest).data) if newest else {})
        )


def _switch(turn: str, summary: str) -> Any:
    annotated = extend_schema(
        operation_id=f"quota_{turn}", tags=["quota"], request=Why, responses=ChangeShown, summary=summary
    )
    return annotated(type(turn.title(), (Switch,), {"turn": turn, "__doc__": summary}))


Pause = _switch("pause", "Let no call to a provider leave until it is resumed.")
Resume = _switch("resume", "Let calls to a provider leave again.")


def _shown(one: ProviderQuota) -> dict[str, Any]:
    hint = one.next_capacity
    same = (
        "provider percent tokens_minute tokens_minute_limit requests_minute requests_minute_limit concurrency_limit breaker"
        " breaker_until not_before paused pause_reason unknown_calls"
    )
    return {name: getattr(one, name) for name in same.split()} | {
        "limit_tokens": one.limit,
        "used_tokens": one.used,
        "reserved_tokens": one.reserved,
        "left_tokens": max(0, one.limit - one.used - one.reserved),
        "level": one.level.value,
        "inflight": one.inflight,
        "admits": hint.admits,
        "reason": hint.reason,
        "until": hint.at,
        "cost_usd": f"{one.usd:f}",
        "unknown_usd": f"{one.unknown_usd:f}",
        "hours": [{"start": hour.start, "tokens": hour.tokens} for hour in one.hours],
    }
