"""The worker's side of a flow's replay from its record."""

from orchestrator.flows.models import FlowReplay, FlowReplayStatus
from orchestrator.flows.replay import requests
from orchestrator.flows.replay.flow_replay import replay


def run(replay_id: int) -> None:
    """Run a replay that waits; one that another worker has taken is left to it."""
    asked = requests.take(FlowReplay, replay_id)
    if asked is None:
        return
    report = replay(asked.flow)
    status = FlowReplayStatus.DIFFERENT if report.differences else FlowReplayStatus.SAME
    requests.end(asked, status, report=report.as_json())
