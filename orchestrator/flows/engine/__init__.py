"""The only writer of a status. Each verb moves rows along the tables of ``states`` or does nothing.

The order of locks is flow, then stage. A stage that runs carries a random token, and every write of its
attempt asks for that token.
"""

from orchestrator.flows.engine.attempt import record_progress, refresh_cost
from orchestrator.flows.engine.claim import Claim, claim, renew_leases
from orchestrator.flows.engine.control import cancel, pause, resume, retry, set_priority
from orchestrator.flows.engine.create import create
from orchestrator.flows.engine.edited_round import begin_edited_round
from orchestrator.flows.engine.errors import (
    EngineError,
    Fenced,
    FlowHalted,
    IdempotencyConflict,
    NotEditable,
    NotPausable,
    NotRetryable,
)
from orchestrator.flows.engine.finish import Finished, finish
from orchestrator.flows.engine.holds import hold, hold_ready_stages, release, release_held_stages
from orchestrator.flows.engine.repo_limits import RepoLimitReached
from orchestrator.flows.engine.routes import list_routes
from orchestrator.flows.engine.store import attach_snapshot, keep_artifacts, keep_preparation
from orchestrator.flows.engine.sweep import (
    count_by_process,
    expire_lease,
    fail_overdue_flow,
    find_expired_leases,
    find_overdue_flows,
    give_back_stage,
    give_back_stages,
    read_process,
    refresh_late_costs,
    release_due_stages,
    take_stages_of_dead,
)
from orchestrator.flows.engine.transitions import Spent

__all__ = [
    "Claim",
    "EngineError",
    "Fenced",
    "Finished",
    "FlowHalted",
    "IdempotencyConflict",
    "NotEditable",
    "NotPausable",
    "NotRetryable",
    "RepoLimitReached",
    "Spent",
    "attach_snapshot",
    "begin_edited_round",
    "cancel",
    "claim",
    "count_by_process",
    "create",
    "expire_lease",
    "fail_overdue_flow",
    "find_expired_leases",
    "find_overdue_flows",
    "finish",
    "give_back_stage",
    "give_back_stages",
    "hold",
    "hold_ready_stages",
    "keep_artifacts",
    "keep_preparation",
    "list_routes",
    "pause",
    "read_process",
    "record_progress",
    "refresh_cost",
    "refresh_late_costs",
    "release",
    "release_due_stages",
    "release_held_stages",
    "renew_leases",
    "resume",
    "retry",
    "set_priority",
    "take_stages_of_dead",
]
