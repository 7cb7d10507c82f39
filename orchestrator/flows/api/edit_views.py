"""An edit by a person over REST: every gate judges it, and the evidence says that it was edited."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows import engine
from orchestrator.flows.api.serializers.edits import NewEditSerializer
from orchestrator.flows.api.serializers.flows import FlowSummarySerializer
from orchestrator.flows.api.views import flow_for
from orchestrator.flows.generation import edited_files
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope


class FlowEditView(APIView):
    """Let a flow that failed continue with files that a person edited."""

    scopes = {"POST": TokenScope.FLOWS_WRITE}

    @extend_schema(
        operation_id="flows_edit",
        tags=["flows"],
        request=NewEditSerializer,
        responses={202: FlowSummarySerializer},
        summary="Continue a failed flow with edited files.",
        examples=[
            OpenApiExample(
                "One file of two",
                value={"files": {"capital_ratio.py": "def capital_ratio(capital, assets):\n    ...\n"}},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """202: all gates and the reviewer judge the files; a block says in its evidence who edited it."""
        flow = flow_for(request, flow_id)
        given = NewEditSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        editor = caller_of(request).name
        written = edited_files.accept_edit(flow, given.validated_data["files"], editor=editor)
        edited = engine.begin_edited_round(flow.id, edited_files.KIND, written, actor=editor)
        headers = {"Location": f"/api/v1/flows/{flow.id}/"}
        return Response(FlowSummarySerializer(edited).data, status=202, headers=headers)
