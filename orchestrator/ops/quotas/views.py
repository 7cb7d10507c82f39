"""What each provider may still use, and the switch that pauses one, over REST."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.quotas.serializers import (
    ProviderSwitchSerializer,
    QuotaSerializer,
    SwitchReasonSerializer,
)
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import ANY_TOKEN, TokenScope
from orchestrator.rest.etags import tag_weakly
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.problems import Problem
from orchestrator.rest.refusals import INVALID, ProblemKind
from orchestrator.rest.request_bodies import read_valid
from providers import breaker, quota_report
from providers.models import ProviderChange

_WINDOW_HOURS = 24
_TAGS = ["quota"]
_PROVIDER = OpenApiParameter("provider", location=OpenApiParameter.PATH, description="Its name.")
_UNKNOWN = ProblemKind(404, "quota:unknown-provider", "There is no such provider.")
_REFUSED = (_UNKNOWN, INVALID)


class QuotaView(APIView):
    """The providers' quotas."""

    scopes = {"GET": ANY_TOKEN}

    @describe_operation("quota", tags=_TAGS, responses=QuotaSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Tokens used, set aside and left in 24 hours, each provider, what holds it up, and the USD."""
        report = quota_report.read_quotas()
        found = {
            "at": report.at,
            "window_hours": _WINDOW_HOURS,
            "usd_limit": report.usd_limit,
            # The sum has the eight decimals of its column; normalize drops the padding.
            "spent_usd": report.usd_used.normalize(),
            "circuit_breaker_enabled": report.circuit_breaker_enabled,
            "circuit_breaker_threshold": report.circuit_breaker_threshold,
            "providers": report.providers,
        }
        # The moment itself says nothing new.
        return tag_weakly(Response(QuotaSerializer(found).data), {"at"})


class ProviderPauseView(APIView):
    """Pauses one provider."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "quota_pause",
        tags=_TAGS,
        refused=_REFUSED,
        parameters=[_PROVIDER],
        request=SwitchReasonSerializer,
        responses=ProviderSwitchSerializer,
        summary="Let no call to a provider leave until it is resumed.",
    )
    def post(self, request: Request, provider: str) -> Response:
        """Turn the switch, recorded with who, when and why.

        For operators. 200 with the newest change, made now or before.
        """
        return _turn_switch(request, provider, breaker.pause_provider)


class ProviderResumeView(APIView):
    """Resumes one provider."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "quota_resume",
        tags=_TAGS,
        refused=_REFUSED,
        parameters=[_PROVIDER],
        request=SwitchReasonSerializer,
        responses=ProviderSwitchSerializer,
        summary="Let calls to a provider leave again.",
    )
    def post(self, request: Request, provider: str) -> Response:
        """Turn the switch, recorded with who, when and why.

        For operators. 200 with the newest change, made now or before.
        """
        return _turn_switch(request, provider, breaker.resume_provider)


def _turn_switch(request: Request, provider: str, turn: Callable[..., bool]) -> Response:
    actor = caller_of(request).name
    if provider not in settings.PROVIDERS:
        raise Problem(
            404,
            "quota:unknown-provider",
            f"There is no provider {provider!r}.",
            cure=f"Name one of {', '.join(settings.PROVIDERS)}.",
        )
    given = read_valid(SwitchReasonSerializer, request)
    changed = turn(provider, actor=actor, reason=given["reason"])
    found: dict[str, Any] = {"provider": provider, "changed": changed}
    # Also where the switch was turned before: turning it again changes nothing and is answered alike.
    newest = ProviderChange.objects.filter(provider=provider, action__in=["paused", "resumed"]).first()
    if newest is not None:
        found |= {name: getattr(newest, name) for name in ("action", "actor", "reason", "created_at")}
    return Response(ProviderSwitchSerializer(found).data)
