"""An edit by a person over REST: every gate judges it, and the evidence says that it was edited."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows import engine
from orchestrator.flows.api import refusals
from orchestrator.flows.api.serializers.edits import NewEditSerializer
from orchestrator.flows.api.serializers.flows import FlowSummarySerializer
from orchestrator.flows.api.views import FLOW_ID, answer_accepted, flow_for
from orchestrator.flows.generation import edited_files
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.refusals import INVALID
from orchestrator.rest.request_bodies import read_valid


class FlowEditView(APIView):
    """Let a flow that failed continue with files that a person edited."""

    scopes = {"POST": TokenScope.FLOWS_WRITE}

    @describe_operation(
        "flows_edit",
        tags=["flows"],
        refused=(refusals.UNKNOWN_FLOW, INVALID, *refusals.EDITING),
        parameters=[FLOW_ID],
        request=NewEditSerializer,
        responses={202: FlowSummarySerializer},
        summary="Continue a failed flow with edited files.",
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """202: all gates and the reviewer judge the files; a block says in its evidence who edited it."""
        flow = flow_for(request, flow_id)
        given = read_valid(NewEditSerializer, request)
        editor = caller_of(request).name
        # Read before the flow is locked: the engine looks at its status again under the lock, so an edit of a
        # flow that was retried meanwhile is refused there.
        written = edited_files.accept_edit(flow, given["files"], editor=editor)
        edited = engine.begin_edited_round(flow.id, edited_files.KIND, written, actor=editor)
        return answer_accepted(request, edited)
