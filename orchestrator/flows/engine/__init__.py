"""The only writer of a status. Every verb is here; each moves rows along the tables of ``states`` or does nothing.

The order of locks is flow, then stage. A stage that runs carries a random token, and whatever its attempt wants to write is
fenced by it.
"""

from orchestrator.flows.engine.attempt import progress, refresh_cost, remaining
from orchestrator.flows.engine.claim import Claim, claim, heartbeat
from orchestrator.flows.engine.control import cancel, pause, resume, retry, set_priority
from orchestrator.flows.engine.create import create
from orchestrator.flows.engine.errors import (
    EngineError,
    Fenced,
    IdempotencyConflict,
    NotPausable,
    NotRetryable,
)
from orchestrator.flows.engine.finish import Finished, Spent, finish
from orchestrator.flows.engine.holds import hold, hold_ready, let_go, release
from orchestrator.flows.engine.store import carry
from orchestrator.flows.engine.sweep import (
    expire,
    expired,
    fail_overdue,
    give_up,
    give_up_all,
    overdue,
    release_due,
)

__all__ = [
    "Claim",
    "EngineError",
    "Fenced",
    "Finished",
    "IdempotencyConflict",
    "NotPausable",
    "NotRetryable",
    "Spent",
    "cancel",
    "carry",
    "claim",
    "create",
    "expire",
    "expired",
    "fail_overdue",
    "finish",
    "give_up",
    "give_up_all",
    "heartbeat",
    "hold",
    "hold_ready",
    "let_go",
    "overdue",
    "pause",
    "progress",
    "refresh_cost",
    "release",
    "release_due",
    "remaining",
    "resume",
    "retry",
    "set_priority",
]
