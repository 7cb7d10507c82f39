"""Replays over REST: ask for one, read its result. Each kind of replay has its address and its answer."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from orchestrator.flows.api import refusals
from orchestrator.flows.api.serializers.replays import FlowReplaySerializer, GateReplaySerializer
from orchestrator.flows.api.views import FLOW_ID, flow_for, read_block
from orchestrator.flows.models import Flow, Replay, ReplayKind
from orchestrator.flows.models.states import FlowStatus
from orchestrator.flows.replay import requests
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.links import build_url
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.problems import Problem

_REPLAYABLE = {FlowStatus.PASSED, FlowStatus.FAILED}


class ReplayView(APIView):
    """What both kinds have in common: at most one is under way, a worker runs it, the newest is shown."""

    scopes = {"GET": TokenScope.FLOWS_READ, "POST": TokenScope.FLOWS_WRITE}
    kind: ClassVar[ReplayKind]
    serializer: ClassVar[type[Serializer[Replay]]]
    place: ClassVar[str]
    """The address below the flow's."""
    absent: ClassVar[tuple[str, str, str]]
    """Code, message and cure where nobody has asked for one yet; ``{}`` is the flow."""

    def post(self, request: Request, flow_id: str) -> Response:
        """Ask for one, or be given the one that is under way."""
        flow = flow_for(request, flow_id)
        self.refuse(flow)
        replay = requests.request_replay(self.kind, flow, caller_of(request).name)
        headers = {"Location": build_url(request, f"/api/v1/flows/{flow.id}/{self.place}")}
        return Response(self.serializer(replay).data, status=202, headers=headers)

    def get(self, request: Request, flow_id: str) -> Response:
        """The newest one."""
        flow = flow_for(request, flow_id)
        replay = requests.find_newest_replay(self.kind, flow)
        if replay is None:
            code, message, cure = self.absent
            raise Problem(404, code, message.format(flow.id), cure=cure.format(flow.id))
        return Response(self.serializer(replay).data)

    def refuse(self, flow: Flow) -> None:
        """Raise a ``Problem`` where this flow has nothing to replay."""
        raise NotImplementedError


# The ids of the operations are names in generated clients, so they stay as they are.
@extend_schema_view(
    post=describe_operation(
        "flows_replay",
        refused=(refusals.UNKNOWN_FLOW, refusals.NOT_REPLAYABLE),
        parameters=[FLOW_ID],
        description="Run a finished flow again without calls and costs; 202. The report is under `Location`.",
        tags=["flows"],
        request=None,
        responses={202: FlowReplaySerializer},
    ),
    get=describe_operation(
        "flows_replay_get",
        refused=(refusals.UNKNOWN_FLOW, refusals.NO_REPLAY),
        parameters=[FLOW_ID],
        description="The newest replay of a flow, with its report once it has ended.",
        tags=["flows"],
        responses=FlowReplaySerializer,
    ),
)
class FlowReplayView(ReplayView):
    """The replay of a flow from its recorded answers."""

    kind, serializer, place = ReplayKind.FLOW, FlowReplaySerializer, "replay/"
    absent = ("flow:no-replay", "{} was never replayed.", "Start one: blocks flow replay {}")

    def refuse(self, flow: Flow) -> None:
        """A cancelled flow has stages that were stopped halfway, which no replay can repeat."""
        if flow.status not in _REPLAYABLE:
            raise Problem(
                409,
                "flow:not-replayable",
                f"{flow.id} is {flow.status}; only a flow that passed or failed can be replayed.",
                cure="Wait until the flow has ended." if flow.finished_at is None else "Replay another flow.",
            )


@extend_schema_view(
    post=describe_operation(
        "flows_gates_replay",
        refused=(refusals.UNKNOWN_FLOW, refusals.NO_BLOCK, refusals.BLOCK_TO_COME),
        parameters=[FLOW_ID],
        description="Run the gates again on the sealed block; 202. One that is under way is given back.",
        tags=["flows"],
        request=None,
        responses={202: GateReplaySerializer},
    ),
    get=describe_operation(
        "flows_gates_replayed",
        refused=(refusals.UNKNOWN_FLOW, refusals.NO_GATE_REPLAY),
        parameters=[FLOW_ID],
        description="The last replay: sealed verdicts beside those given again.",
        tags=["flows"],
        responses=GateReplaySerializer,
    ),
)
class GateReplayView(ReplayView):
    """The gates again on the sealed block."""

    kind, serializer, place = ReplayKind.GATES, GateReplaySerializer, "gates/replay/"
    absent = ("replay:none", "The gates of {} were not run again.", "`blocks verify replay {}`.")

    def refuse(self, flow: Flow) -> None:
        """Without a sealed block there is nothing to run the gates on."""
        read_block(flow)
