"""The end of an attempt: its result becomes the state of stage and flow, once, or not at all.

Every way out is fenced by the token. A ``Done`` without artifacts is one statement; what else a result
carries is written in the same transaction before it, under the same lock of the flow.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import outcome, store
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.errors import Fenced
from orchestrator.flows.stage_protocol import Done, Failed, Park, Repair, StageResult

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Spent:
    """Which model answered, and in whose place, for the attempt's row."""

    model: str = ""
    fallback_from: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """What the caller does after a finish.

    ``follow_tail``: send the tail of the chain that brought this stage; the next stage counts as sent.
    ``claimed``: run this next stage, which the same worker already holds. ``resend``: the stages have
    changed, so send a new chain from the database instead of the tail.
    """

    follow_tail: bool = False
    claimed: Claim | None = None
    resend: bool = False


def finish(
    claim: Claim, result: StageResult, spent: Spent | None = None, onward: Collection[str] = ()
) -> Finished:
    """Apply ``result`` and end the attempt; raises ``Fenced`` when ``claim`` is no longer the live one.

    A next stage on one of the queues ``onward`` is claimed for the same worker in the same statement. Safe to
    call again when the answer was lost: what has been applied is found by the token, and a next stage that
    was claimed comes back by its lease.
    """
    spent = spent or Spent()
    try:
        return database.retry_while_away(lambda: _apply_result(claim, result, spent, onward))
    except Fenced:
        # Fenced, or applied by an earlier run whose answer was lost: then the token's attempt is closed.
        earlier = database.fetch_rows(_SQL["find_finished_attempt"], {"token": claim.token})
        if not earlier:
            raise
        return Finished(resend=earlier[0].next_id is not None)


def _apply_result(claim: Claim, result: StageResult, spent: Spent, onward: Collection[str]) -> Finished:
    match result:
        # The common case: one statement, which is its own transaction.
        case Done(artifacts=(), gates=(), block=None):
            return _pass_stage(claim, result, spent, onward)
        case Done():
            with transaction.atomic():
                # It takes the flow's lock first, so the statement that follows does not wait for it.
                store.store_result(claim, result)
                return _pass_stage(claim, result, spent, onward)
        case Repair():
            return Finished(resend=outcome.end_with_repair(claim, result, spent.model, spent.fallback_from))
        case Park():
            outcome.end_with_wait(claim, result)
        case Failed():
            outcome.end_with_failure(claim, result, spent.model, spent.fallback_from)
    return Finished()


def _pass_stage(claim: Claim, result: Done, spent: Spent, onward: Collection[str]) -> Finished:
    # Made here, because the next stage is claimed in the same statement.
    next_token = uuid.uuid4()
    params = {
        "flow": claim.flow_id,
        "stage": claim.stage_id,
        "token": claim.token,
        "worker": claim.worker,
        "repo": claim.repo,
        "output": Jsonb(dict(result.output)),
        "model": spent.model,
        "fallback_from": spent.fallback_from,
        "onward": list(onward),
        "next_token": next_token,
        "lease": float(settings.ENGINE_LEASE_SECONDS),
    }
    done = database.fetch_rows(_SQL["finish_stage"], params)
    if not done:
        raise Fenced(f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one.")
    (row,) = done
    # Left to a message: another queue, a full one, a hold, a pause, a deadline. Or the flow has ended.
    if not row.taken:
        return Finished(follow_tail=bool(row.sent))
    return Finished(
        claimed=replace(
            claim,
            token=next_token,
            stage_id=row.id,
            attempt_id=row.attempt,
            attempt_number=row.attempts_made,
            failures=row.failures,
            kind=row.kind,
            round=row.round,
            queue=row.queue,
            feedback=row.feedback,
            turn=row.waits_for,
        )
    )
