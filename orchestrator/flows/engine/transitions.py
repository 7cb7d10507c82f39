"""What the verbs share: the locks in their order, events, the cost of a flow, the end of a flow.

Everything here is called inside a transaction, after ``lock_flow`` or ``lock_claim`` has taken
the flow's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import flow_trace
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.errors import Fenced

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Spent:
    """Which model answered, in whose place, and to which prompt, for the attempt's row."""

    model: str = ""
    fallback_from: str = ""
    prompt: str = ""


NOTHING_SPENT: Final = Spent()
MAX_PAUSE_SECONDS: Final = 300.0


def compute_pause(times: int) -> float:
    """Seconds until a stage that has failed ``times`` in a row begins again; 0 where it has not failed.

    It doubles each time, so that who is in trouble is left alone.
    """
    if times < 1:
        return 0.0
    return float(min(settings.ENGINE_BACKOFF_SECONDS * 2.0 ** (times - 1), MAX_PAUSE_SECONDS))


def lock_flow(flow_id: str) -> Any | None:
    """Lock a flow: its id, status, type and repo; ``None`` if there is none."""
    found = database.fetch_rows(_SQL["lock_flow"], {"flow": flow_id})
    return found[0] if found else None


def lock_claim(claim: Claim) -> Any:
    """Lock flow, then stage, of a claim; the flow. Raises ``Fenced`` unless the claim is the live one."""
    held = lock_flow(claim.flow_id)
    # A separate statement, so that it sees the stage as it is once the flow's lock is held: a statement that
    # waits for a lock reads other rows as they were when it began.
    if held is None or not database.fetch_rows(
        _SQL["lock_live_stage"], {"stage": claim.stage_id, "token": claim.token}
    ):
        raise Fenced(f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one.")
    return held


def record_event(
    flow_id: str, kind: str, stage_id: int | None = None, data: Mapping[str, Any] | None = None
) -> None:
    """Write an event. Under the flow's lock, ids of a flow's events grow in the order of their commits."""
    database.fetch_rows(
        _SQL["record_event"],
        {"flow": flow_id, "kind": kind, "stage": stage_id, "data": Jsonb(dict(data or {}))},
    )


def tell_who(actor: str, reason: str) -> dict[str, object]:
    """The data of an event that a person has caused. Without a reason it has none, as it always was."""
    return {"by": actor, "reason": reason} if reason else {"by": actor}


def refresh_cost(flow_id: str) -> None:
    """Set the flow's cost to the sum of the ledger, so that no call is added twice.

    It includes calls of unknown use, which are charged too, and not those that are under way.
    """
    database.fetch_rows(_SQL["refresh_cost"], {"flow": flow_id})


def end_attempt(
    token: Any, outcome: str, *, code: str = "", message: str = "", spent: Spent = NOTHING_SPENT
) -> float | None:
    """Close the attempt with ``token``; its duration in seconds, ``None`` if it was closed before."""
    params = {
        "token": token,
        "outcome": outcome,
        "code": code,
        "message": message,
        "model": spent.model,
        "fallback_from": spent.fallback_from,
        "prompt": spent.prompt,
    }
    closed = database.fetch_rows(_SQL["end_attempt"], params)
    return round(closed[0].seconds, 3) if closed else None


def fail_stage(flow_id: str, stage_id: int, *, code: str, message: str, cure: str, **data: Any) -> None:
    """Move a live stage to failed, with its reason."""
    params = {"stage": stage_id, "code": code, "message": message, "cure": cure}
    (stage,) = database.fetch_rows(_SQL["fail_stage"], params)
    shown = {"stage": stage.kind, "round": stage.round, "code": code, "reason": message, "cure": cure}
    record_event(flow_id, "stage.failed", stage_id, shown | data)


def rest_flow(flow_id: str) -> None:
    """Let the flow wait if everything of it that is under way waits."""
    database.fetch_rows(_SQL["rest_flow"], {"flow": flow_id})


def fail_flow(flow_id: str, *, code: str, message: str, cure: str) -> None:
    """End a flow as failed; what is under way stops, and no stage begins until a retry."""
    database.fetch_rows(_SQL["fail_flow"], {"flow": flow_id, "code": code, "message": message, "cure": cure})
    refresh_cost(flow_id)
    record_event(flow_id, "flow.failed", None, {"code": code, "reason": message, "cure": cure})
    flow_trace.record_end_after_commit(flow_id)
