"""Replays over REST: ask for one, read its result."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows.api.serializers import FlowReplaySerializer, GateReplaySerializer
from orchestrator.flows.api.views import flow_for, read_block
from orchestrator.flows.models import ReplayKind
from orchestrator.flows.models.states import FlowStatus
from orchestrator.flows.replay import requests
from orchestrator.repos.access import caller_of
from orchestrator.rest.problems import Problem

_REPLAYABLE = {FlowStatus.PASSED, FlowStatus.FAILED}
_TAGS = ["flows"]


class FlowReplayView(APIView):
    """The replay of a flow from its recorded answers."""

    @extend_schema(
        operation_id="flows_replay", tags=_TAGS, request=None, responses={202: FlowReplaySerializer}
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Run a finished flow again without calls and costs; 202, read the report under ``Location``."""
        flow = flow_for(request, flow_id)
        # A cancelled flow has stages that were stopped halfway, which no replay can repeat.
        if flow.status not in _REPLAYABLE:
            raise Problem(
                409,
                "flow:not-replayable",
                f"{flow.id} is {flow.status}; only a flow that passed or failed can be replayed.",
                cure="Wait until the flow has ended." if flow.finished_at is None else "Replay another flow.",
            )
        replay = requests.request_replay(ReplayKind.FLOW, flow, caller_of(request).name)
        headers = {"Location": f"/api/v1/flows/{flow.id}/replay/"}
        return Response(FlowReplaySerializer(replay).data, status=202, headers=headers)

    @extend_schema(operation_id="flows_replay_get", tags=_TAGS, responses=FlowReplaySerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """The newest replay of a flow, with its report once it has ended."""
        flow = flow_for(request, flow_id)
        replay = requests.find_newest_replay(ReplayKind.FLOW, flow)
        if replay is None:
            raise Problem(
                404,
                "flow:no-replay",
                f"{flow.id} was never replayed.",
                cure=f"Start one: blocks flow replay {flow.id}",
            )
        return Response(FlowReplaySerializer(replay).data)


class GateReplayView(APIView):
    """The gates again on the sealed block."""

    @extend_schema(
        operation_id="flows_gates_replay", tags=_TAGS, request=None, responses={202: GateReplaySerializer}
    )
    def post(self, request: Request, flow_id: str) -> Response:
        """Run the gates again on the sealed block. 202: a worker does it; one that is under way is given
        back.
        """
        flow = flow_for(request, flow_id)
        # Only for its refusal: without a sealed block there is nothing to run the gates on.
        read_block(flow)
        replay = requests.request_replay(ReplayKind.GATES, flow, caller_of(request).name)
        headers = {"Location": f"/api/v1/flows/{flow.id}/gates/replay/"}
        return Response(GateReplaySerializer(replay).data, status=202, headers=headers)

    @extend_schema(operation_id="flows_gates_replayed", tags=_TAGS, responses=GateReplaySerializer)
    def get(self, request: Request, flow_id: str) -> Response:
        """The last replay: sealed verdicts beside those given again."""
        flow = flow_for(request, flow_id)
        replay = requests.find_newest_replay(ReplayKind.GATES, flow)
        if replay is None:
            raise Problem(
                404,
                "replay:none",
                f"The gates of {flow.id} were not run again.",
                cure=f"`blocks verify replay {flow.id}`.",
            )
        return Response(GateReplaySerializer(replay).data)
