"""What each provider may still use today, over REST."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Case, DecimalField, F, Sum, When
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.repos.auth import caller_of
from providers.models import CallStatus, ProviderCall

_WINDOW = timedelta(hours=24)
_TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One provider's day: tokens used and set aside in the last 24 hours against the quota, USD spent."""

    provider: str
    limit_tokens: int
    used_tokens: int
    reserved_tokens: int
    cost_usd: Decimal

    @property
    def percent(self) -> float:
        """Used and set aside, in percent of the quota."""
        return round(100 * (self.used_tokens + self.reserved_tokens) / self.limit_tokens, 2)


def standings() -> list[Standing]:
    """Every provider's day, from the ledger."""
    since, held = timezone.now() - _WINDOW, (CallStatus.RESERVED, CallStatus.UNKNOWN)
    used = sum((F(name) for name in _TOKENS[1:]), start=F(_TOKENS[0]))
    rows = (
        ProviderCall.objects.filter(created_at__gte=since)
        .order_by()
        .values("provider")
        .annotate(
            used=Sum(Case(When(status=CallStatus.SETTLED, then=used), default=0)),
            held=Sum(Case(When(status__in=held, then=F("reserved_tokens")), default=0)),
            cost=Sum("cost_usd", output_field=DecimalField()),
        )
    )
    found = {row["provider"]: row for row in rows}
    return [
        Standing(
            provider=name,
            limit_tokens=limits["daily_token_quota"],
            used_tokens=int(found.get(name, {}).get("used") or 0),
            reserved_tokens=int(found.get(name, {}).get("held") or 0),
            cost_usd=Decimal(found.get(name, {}).get("cost") or 0),
        )
        for name, limits in settings.PROVIDERS.items()
    ]


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
                "providers": s.ListField(child=s.DictField()),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """Tokens used, set aside and left of the last 24 hours, for each provider; USD of the same window."""
        caller_of(request)
        found = standings()
        return Response(
            {
                "window_hours": 24,
                "daily_budget_usd": str(settings.DAILY_BUDGET_USD),
                "spent_usd": str(sum((one.cost_usd for one in found), Decimal(0)).normalize()),
                "providers": [_shown(one) for one in found],
            }
        )


def _shown(one: Standing) -> dict[str, Any]:
    left = max(0, one.limit_tokens - one.used_tokens - one.reserved_tokens)
    return {
        "provider": one.provider,
        "limit_tokens": one.limit_tokens,
        "used_tokens": one.used_tokens,
        "reserved_tokens": one.reserved_tokens,
        "left_tokens": left,
        "percent": one.percent,
        "cost_usd": f"{one.cost_usd:f}",
    }
