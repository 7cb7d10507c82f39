"""The worker's side of a flow's replay from its record."""

from orchestrator.flows import replay_requests
from orchestrator.flows.flow_replay import replay
from orchestrator.flows.models import FlowReplay, FlowReplayStatus


def run(replay_id: int) -> None:
    """Run a replay that waits; one that another worker has taken is left to it."""
    asked = replay_requests.take(FlowReplay, replay_id)
    if asked is None:
        return
    report = replay(asked.flow)
    status = FlowReplayStatus.DIFFERENT if report.differences else FlowReplayStatus.SAME
    replay_requests.end(asked, status, report=report.as_json())
