"""Rollbacks over REST: plan, apply, look, vote, restore, announce. For operators."""

from dataclasses import asdict
from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.incidents.errors import UnknownIncident
from orchestrator.ops.notifications.errors import NotifierNotConfigured
from orchestrator.ops.rollback import announcement, enforcement, plan, record, restoration, watch
from orchestrator.ops.rollback.errors import (
    AnnouncementDecided,
    RepoNotRolledBack,
    RollbackInForce,
    RollbackNotInForce,
    UnknownAnnouncement,
    UnknownRollback,
    VoteRefused,
    VotesMissing,
)
from orchestrator.ops.rollback.models import NOT_OVER, Rollback, RollbackKind, RunningFlows, TriggerState
from orchestrator.ops.rollback.serializers import (
    AnnouncementSerializer,
    DeclinationSerializer,
    NewRollbackSerializer,
    NewVoteSerializer,
    RestorationSerializer,
    RollbackPlanSerializer,
    RollbackSerializer,
    RollbackVoteSerializer,
    RolloutStandingSerializer,
    SentAnnouncementSerializer,
)
from orchestrator.repos.access import caller_of
from orchestrator.repos.registration import is_onboarding_open
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import refuse_filter
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_number, describe_operation
from orchestrator.rest.refusals import INVALID, INVALID_PARAMETER, refusal_by
from orchestrator.rest.request_bodies import read_valid

_TAGS: Final = ["rollback"]
_NUMBER: Final = describe_number("The rollback's number.")
_UNKNOWN: Final = refusal_by(UnknownRollback)
_NOT_IN_FORCE: Final = refusal_by(RollbackNotInForce)
_ANNOUNCED: Final = (refusal_by(UnknownAnnouncement), refusal_by(AnnouncementDecided))
_ANNOUNCEMENT: Final = describe_number("The announcement's number.")
_ENDED_SHOWN: Final = 5


def _select_rollbacks() -> QuerySet[Rollback]:
    return Rollback.objects.prefetch_related("repos__repo", "announcements")


def _show(number: int, request: Request) -> Any:
    record.find_rollback(number)
    return RollbackSerializer(_select_rollbacks().get(pk=number), context={"request": request}).data


class RollbackListView(APIView):
    """How the rollout stands, and the way to take it back."""

    scopes = {"GET": TokenScope.OPS_READ, "POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "rollback_status",
        tags=_TAGS,
        responses=RolloutStandingSerializer,
        summary="Show what is rolled back, and what the triggers see.",
    )
    def get(self, request: Request) -> Response:
        """Rollbacks that are not over, the newest others, the triggers, and whether repos are taken."""
        # At most one of each kind is not over, so these lists are short.
        rows = _select_rollbacks()
        over = rows.exclude(status__in=NOT_OVER)[:_ENDED_SHOWN]
        content = {
            "onboarding_open": is_onboarding_open(),
            "dry_run": watch.is_dry_run(),
            "triggers": TriggerState.objects.all(),
            "rollbacks": [*rows.filter(status__in=NOT_OVER), *over],
        }
        return Response(RolloutStandingSerializer(content, context={"request": request}).data)

    @describe_operation(
        "rollback_apply",
        refused=(INVALID, refusal_by(RollbackInForce), refusal_by(UnknownIncident)),
        tags=_TAGS,
        request=NewRollbackSerializer,
        responses={202: RollbackSerializer},
        summary="Roll back: to pilot scope, to manual review, or to the previous version.",
    )
    def post(self, request: Request) -> Response:
        """202: no new flow of an affected repo starts from now on; its address says when it is in force."""
        given = read_valid(NewRollbackSerializer, request)
        made = enforcement.apply_rollback(
            given["kind"],
            reason=given["reason"],
            actor=caller_of(request).name,
            flows=given["flows"],
            eta=given["eta"],
            incident=given.get("incident"),
        )
        headers = {"Location": build_url(request, f"/api/v1/rollback/{made.pk}/")}
        return Response(_show(made.pk, request), status=status.HTTP_202_ACCEPTED, headers=headers)


class RollbackPlanView(APIView):
    """What a rollback would do."""

    scopes = {"GET": TokenScope.OPS_READ}
    query_names = ("kind", "flows")

    @describe_operation(
        "rollback_plan",
        refused=(INVALID_PARAMETER,),
        tags=_TAGS,
        parameters=[
            OpenApiParameter("kind", enum=RollbackKind.values, description="pilot without it."),
            OpenApiParameter("flows", enum=RunningFlows.values, description="drain without it."),
        ],
        responses=RollbackPlanSerializer,
        summary="Show what a rollback would do; nothing is done.",
    )
    def get(self, request: Request) -> Response:
        """Affected repos, steps, commands and what would be said."""
        # Checked here: a plan has no rows that a filter set could filter.
        kind = request.query_params.get("kind", RollbackKind.PILOT.value)
        flows = request.query_params.get("flows", RunningFlows.DRAIN.value)
        if kind not in RollbackKind.values:
            refuse_filter(f"kind={kind[:20]!r} is not known.", cure=f"Use {', '.join(RollbackKind.values)}.")
        if flows not in RunningFlows.values:
            refuse_filter(f"flows={flows[:20]!r} is not known.", cure="Use drain or cancel.")
        return Response(RollbackPlanSerializer(asdict(plan.plan_rollback(kind, flows))).data)


class RollbackDetailView(APIView):
    """One rollback."""

    scopes = {"GET": TokenScope.OPS_READ}

    @describe_operation(
        "rollback_read",
        refused=(_UNKNOWN,),
        tags=_TAGS,
        parameters=[_NUMBER],
        responses=RollbackSerializer,
        summary="Show a rollback: its repos, votes and announcements.",
    )
    def get(self, request: Request, number: int) -> Response:
        """The rollback."""
        return Response(_show(number, request))


class VoteView(APIView):
    """GO or NO."""

    # No scope of its own for each role: the deployment decides who gets which token, and the name is kept.
    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "rollback_vote",
        refused=(_UNKNOWN, _NOT_IN_FORCE, refusal_by(RepoNotRolledBack), refusal_by(VoteRefused), INVALID),
        tags=_TAGS,
        parameters=[_NUMBER],
        request=NewVoteSerializer,
        responses={201: RollbackVoteSerializer},
        summary="Say GO or NO to bringing a repo back, as PM, TL or SRE.",
    )
    def post(self, request: Request, number: int) -> Response:
        """201 with the vote and its end. The token's name is who has voted."""
        given = read_valid(NewVoteSerializer, request)
        vote = restoration.cast_vote(
            number,
            given["repo"],
            role=given["role"],
            verdict=given["verdict"],
            actor=caller_of(request).name,
            reason=given["reason"],
        )
        headers = {"Location": build_url(request, f"/api/v1/rollback/{number}/")}
        shown = RollbackVoteSerializer(vote).data
        return Response(shown, status=status.HTTP_201_CREATED, headers=headers)


class RestorationView(APIView):
    """Brings a repo back."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "rollback_restore",
        refused=(
            _UNKNOWN,
            _NOT_IN_FORCE,
            refusal_by(RepoNotRolledBack),
            refusal_by(VotesMissing),
            refusal_by(VoteRefused),
            INVALID,
        ),
        tags=_TAGS,
        parameters=[_NUMBER],
        request=RestorationSerializer,
        responses=RollbackSerializer,
        summary="Bring one repo back after GO by PM, TL and SRE.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200. The last repo that comes back ends the rollback."""
        given = read_valid(RestorationSerializer, request)
        restoration.restore_repo(number, given["repo"], actor=caller_of(request).name)
        return Response(_show(number, request))


class DeclinationView(APIView):
    """Says no to a rollback that a trigger asks for."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "rollback_decline",
        refused=(_UNKNOWN, _NOT_IN_FORCE, INVALID),
        tags=_TAGS,
        parameters=[_NUMBER],
        request=DeclinationSerializer,
        responses=RollbackSerializer,
        summary="Decline a rollback that a trigger asks for: what it has paused continues.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200."""
        given = read_valid(DeclinationSerializer, request)
        enforcement.decline_rollback(number, actor=caller_of(request).name, reason=given["reason"])
        return Response(_show(number, request))


class AnnouncementSendingView(APIView):
    """Sends a draft."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "rollback_announcement_send",
        refused=(*_ANNOUNCED, refusal_by(NotifierNotConfigured), INVALID),
        tags=_TAGS,
        parameters=[_ANNOUNCEMENT],
        request=SentAnnouncementSerializer,
        responses=AnnouncementSerializer,
        summary="Send an announcement that you have looked at.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200: it is sent once, in other words where you give some."""
        given = read_valid(SentAnnouncementSerializer, request)
        sent = announcement.send_announcement(number, actor=caller_of(request).name, body=given["body"])
        return Response(AnnouncementSerializer(sent).data)


class AnnouncementDroppingView(APIView):
    """Leaves a draft unsent."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "rollback_announcement_drop",
        refused=_ANNOUNCED,
        tags=_TAGS,
        parameters=[_ANNOUNCEMENT],
        request=None,
        responses=AnnouncementSerializer,
        summary="Drop an announcement: it is not sent.",
    )
    def post(self, request: Request, number: int) -> Response:
        """200."""
        dropped = announcement.drop_announcement(number, actor=caller_of(request).name)
        return Response(AnnouncementSerializer(dropped).data)
