"""The rows of the engine, one file a subject."""

from orchestrator.flows.models.artifact import Artifact, Blob, Block
from orchestrator.flows.models.event import FlowEvent
from orchestrator.flows.models.evidence import EvidenceKey, EvidenceLog
from orchestrator.flows.models.flow import Flow, new_flow_id
from orchestrator.flows.models.gate_result import GateResult
from orchestrator.flows.models.hold import Hold, HoldScope, QueueLoad
from orchestrator.flows.models.replay import Replay, ReplayKind, ReplayStatus
from orchestrator.flows.models.stage import Attempt, Stage, StageWait

__all__ = [
    "Artifact",
    "Attempt",
    "Blob",
    "Block",
    "EvidenceKey",
    "EvidenceLog",
    "Flow",
    "FlowEvent",
    "GateResult",
    "Hold",
    "HoldScope",
    "QueueLoad",
    "Replay",
    "ReplayKind",
    "ReplayStatus",
    "Stage",
    "StageWait",
    "new_flow_id",
]
