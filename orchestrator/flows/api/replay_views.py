"""Replays over REST: ask for one, read what it came to."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.flows.api.views import flow_for
from orchestrator.flows.models import FlowReplay, FlowReplayStatus
from orchestrator.flows.models.states import FlowStatus
from orchestrator.flows.replay import requests
from orchestrator.repos.access import caller_of
from orchestrator.rest.problems import Problem

_REPLAYABLE = {FlowStatus.PASSED, FlowStatus.FAILED}


class DifferenceShown(s.Serializer[Any]):
    """One thing that came out otherwise."""

    stage = s.CharField()
    round = s.IntegerField()
    what = s.CharField(help_text="prompt digest, result, output <path>, artifact <kind>, gate <name>")
    recorded = s.CharField()
    replayed = s.CharField()


class ReplayReport(s.Serializer[Any]):
    """What a replay came to."""

    flow = s.CharField()
    stages = s.IntegerField(help_text="Stages that were run again.")
    calls = s.IntegerField(help_text="Recorded answers that were used; none was paid again.")
    same = s.BooleanField()
    differences = DifferenceShown(many=True)
    skipped = s.ListField(child=s.CharField())


class ReplayShown(s.Serializer[Any]):
    """A replay."""

    id = s.IntegerField()
    flow = s.CharField()
    status = s.ChoiceField(choices=FlowReplayStatus.choices)
    created_by = s.CharField()
    created_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)
    report = ReplayReport(allow_null=True)


def shown(replay: FlowReplay) -> dict[str, Any]:
    """A replay as JSON."""
    return {
        "id": replay.pk,
        "flow": replay.flow_id,
        "status": replay.status,
        "created_by": replay.created_by,
        "created_at": replay.created_at.isoformat(),
        "finished_at": replay.finished_at.isoformat() if replay.finished_at else None,
        "report": replay.report or None,
    }


class Replays(APIView):
    """The replay of a flow from its recorded answers."""

    @extend_schema(operation_id="flows_replay", tags=["flows"], request=None, responses={202: ReplayShown})
    def post(self, request: Request, flow_id: str) -> Response:
        """Run a finished flow again without a call and without cost; 202, read the report under ``Location``."""
        flow = flow_for(request, flow_id)
        if flow.status not in _REPLAYABLE:
            raise Problem(
                409,
                "flow:not-replayable",
                f"{flow.id} is {flow.status}; only a flow that passed or failed can be replayed.",
                cure="Wait until the flow has ended." if flow.finished_at is None else "Replay another flow.",
            )
        asked = requests.ask(FlowReplay, flow, caller_of(request).name)
        return Response(shown(asked), status=202, headers={"Location": f"/api/v1/flows/{flow.id}/replay/"})

    @extend_schema(operation_id="flows_replay_get", tags=["flows"], responses=ReplayShown)
    def get(self, request: Request, flow_id: str) -> Response:
        """The newest replay of a flow, with its report once it has ended."""
        flow = flow_for(request, flow_id)
        found = requests.newest(FlowReplay, flow)
        if found is None:
            raise Problem(
                404,
                "flow:no-replay",
                f"{flow.id} was never replayed.",
                cure=f"Start one: blocks flow replay {flow.id}",
            )
        return Response(shown(found))
