"""The rollout as a whole over REST: how it stands, the switch, and the votes after a P1."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from onboarding import rollout
from onboarding.api.serializers import (
    NewRolloutVoteSerializer,
    OnboardingReasonSerializer,
    OnboardingRolloutSerializer,
)
from onboarding.errors import NothingToVoteOn
from orchestrator.ops.rollback.errors import VoteRefused
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.request_bodies import read_valid

_TAGS: Final = ["onboarding"]


class OnboardingRolloutView(APIView):
    """The rollout as a whole."""

    scopes = {"GET": TokenScope.OPS_READ}

    @describe_operation(
        "onboarding_rollout",
        tags=_TAGS,
        responses=OnboardingRolloutSerializer,
        summary="Show whether requests are taken and begun, and what is missing.",
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """How the rollout stands."""
        return _show_rollout()


class RolloutVoteView(APIView):
    """GO or NO after a P1."""

    # No scope of its own for each role: the deployment decides who gets which token, and the name is kept.
    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "onboarding_vote",
        tags=_TAGS,
        refused=(refusal_by(NothingToVoteOn), refusal_by(VoteRefused), INVALID),
        request=NewRolloutVoteSerializer,
        responses={201: OnboardingRolloutSerializer},
        summary="Say GO or NO to taking repos again after a P1, as PM, TL or SRE.",
    )
    def post(self, request: Request) -> Response:
        """201 with what is missing now. The token's name is who has voted."""
        given = read_valid(NewRolloutVoteSerializer, request)
        rollout.cast_vote(**given, actor=caller_of(request).name)
        return _show_rollout(status=201)


class PortalSwitchView(APIView):
    """The switch: what both of its positions share."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    def turn(self, request: Request, turn_portal: Callable[..., None]) -> Response:
        """200 with how the rollout stands then."""
        given = read_valid(OnboardingReasonSerializer, request)
        turn_portal(actor=caller_of(request).name, reason=given["reason"])
        return _show_rollout()


_describe_switch = partial(
    describe_operation,
    tags=_TAGS,
    refused=(INVALID,),
    request=OnboardingReasonSerializer,
    responses=OnboardingRolloutSerializer,
)


class PortalClosingView(PortalSwitchView):
    """The switch, off."""

    @_describe_switch(
        "onboarding_close",
        summary="Close the portal: no request is taken, and none begins.",
    )
    def post(self, request: Request) -> Response:
        """200, also where it is closed already. Existing flows continue."""
        return self.turn(request, rollout.close_portal)


class PortalOpeningView(PortalSwitchView):
    """The switch, on."""

    @_describe_switch(
        "onboarding_open",
        summary="Open the portal again.",
    )
    def post(self, request: Request) -> Response:
        """200; `closed` says what keeps it closed all the same, such as a rollback."""
        return self.turn(request, rollout.open_portal)


def _show_rollout(**more: Any) -> Response:
    return Response(OnboardingRolloutSerializer(asdict(rollout.read_standing())).data, **more)
