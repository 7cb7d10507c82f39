"""What each provider may still use today, over REST."""

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos.auth import caller_of
from providers import quota


class Quota(APIView):
    """The providers' quotas."""

    @extend_schema(
        operation_id="quota",
        tags=["quota"],
        responses=inline_serializer(
            "Quota",
            {
                "window_hours": s.IntegerField(),
                "daily_budget_usd": s.CharField(),
                "spent_usd": s.CharField(),
                "circuit_breaker_enabled": s.BooleanField(),
                "circuit_breaker_threshold": s.IntegerField(),
                "providers": s.ListField(child=s.DictField()),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """Tokens used, set aside and left of the last 24 hours, for each provider; USD of the same window."""
        caller_of(request)
        found = quota.snapshot()
        return Response(
            {
                "window_hours": 24,
                "daily_budget_usd": str(found.usd_limit),
                "spent_usd": f"{found.usd_used:f}",
                "circuit_breaker_enabled": found.circuit_breaker_enabled,
                "circuit_breaker_threshold": found.circuit_breaker_threshold,
                "providers": [_shown(one) for one in found.providers],
            }
        )


def _shown(one: quota.ProviderQuota) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "limit_tokens": one.limit,
        "used_tokens": one.used,
        "reserved_tokens": one.reserved,
        "left_tokens": max(0, one.limit - one.used - one.reserved),
        "percent": round(one.percent, 2),
        "level": str(one.level),
        "breaker": one.breaker,
        "paused": one.paused,
        "pause_reason": one.pause_reason,
        "admits": one.next_capacity.admits,
        "reason": one.next_capacity.reason,
        "until": None if one.next_capacity.at is None else one.next_capacity.at.isoformat(),
        "inflight": one.inflight,
        "concurrency_limit": one.concurrency_limit,
        "tokens_minute": one.tokens_minute,
        "tokens_minute_limit": one.tokens_minute_limit,
        "requests_minute": one.requests_minute,
        "requests_minute_limit": one.requests_minute_limit,
        "unknown_calls": one.unknown_calls,
        "cost_usd": f"{one.usd:f}",
    }
