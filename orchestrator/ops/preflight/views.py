"""The pre-flight over REST: how every line stands, and what people say where the system cannot look."""

from typing import Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.preflight.check_protocol import PHASES
from orchestrator.ops.preflight.errors import LineAnswersItself, UnknownLine
from orchestrator.ops.preflight.running import record_answer, run_preflight
from orchestrator.ops.preflight.serializers import (
    NewPersonAnswerSerializer,
    PersonAnswerSerializer,
    PreflightReportSerializer,
)
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.filters import refuse_filter
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.refusals import INVALID, refusal_by
from orchestrator.rest.request_bodies import read_valid

_TAGS = ["preflight"]
_PHASES: Final = [str(phase) for phase in PHASES]
_PHASE = OpenApiParameter("phase", int, enum=PHASES, description=f"Before which phase; {_PHASES[0]} without.")


class PreflightView(APIView):
    """The checklists of a phase."""

    scopes = {"GET": TokenScope.OPS_READ}
    query_names = ("phase",)

    @describe_operation(
        "preflight",
        tags=_TAGS,
        parameters=[_PHASE],
        responses=PreflightReportSerializer,
        summary="Answer every line of the launch runbook's checklists from the live system.",
    )
    def get(self, request: Request) -> Response:
        """Each line with pass, fail or ask, what was seen, and what to do. Changes nothing, pages nobody."""
        phase = request.query_params.get("phase", _PHASES[0])
        if phase not in _PHASES:
            refuse_filter(f"phase={phase[:20]!r} is not known.", cure=f"Use one of: {', '.join(_PHASES)}.")
        # Runs here and now: every check is bounded, and a stored answer would be of before.
        report = run_preflight(int(phase))
        return Response(PreflightReportSerializer(report).data, headers={"Cache-Control": "no-store"})


class PersonAnswerView(APIView):
    """Takes what a person says."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "preflight_answer",
        tags=_TAGS,
        refused=(INVALID, refusal_by(UnknownLine), refusal_by(LineAnswersItself)),
        request=NewPersonAnswerSerializer,
        responses={201: PersonAnswerSerializer},
        summary="Record what a person says of a line that the system cannot see.",
    )
    def post(self, request: Request) -> Response:
        """201; the answer counts for 30 days, and the newest one counts."""
        given = read_valid(NewPersonAnswerSerializer, request)
        answer = record_answer(
            given["phase"],
            given["line"],
            holds=given["holds"],
            person=given["person"],
            note=given["note"],
            recorded_by=caller_of(request).name,
        )
        return Response(
            PersonAnswerSerializer(answer).data,
            status=status.HTTP_201_CREATED,
            # An answer has no address of its own: it is read with its line.
            headers={"Location": build_url(request, f"/api/v1/preflight/?phase={answer.phase}")},
        )
