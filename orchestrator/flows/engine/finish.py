"""The end of an attempt: its result becomes the state of stage and flow, once, or not at all.

Every way out is fenced by the token. A ``Done`` without artifacts is one statement; what else a result
carries is written in the same transaction before it, under the same lock of the flow.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import flow_trace, outcome, repair_round, store
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.errors import Fenced
from orchestrator.flows.engine.routes import Route
from orchestrator.flows.engine.transitions import Spent
from orchestrator.flows.stage_protocol import Done, Failed, Park, Repair, StageResult

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Finished:
    """What the caller does after a finish.

    ``send``: the next stages that count as sent. ``follow_tail``: the tail of the chain that brought this
    stage sends exactly those; otherwise the caller sends them, on ``routes`` where the way forked, else on
    ways from the database. ``claimed``: run this next stage, which the same worker already holds.
    """

    send: tuple[int, ...] = ()
    routes: tuple[Route, ...] = ()
    follow_tail: bool = False
    claimed: Claim | None = None


@dataclass(frozen=True, slots=True)
class After:
    """What the same worker may claim with a finish, on ``queues``: a next stage, else ``branch``."""

    queues: tuple[str, ...] = ()
    branch: int | None = None


def finish(
    claim: Claim,
    result: StageResult,
    spent: Spent | None = None,
    onward: Collection[str] = (),
    branch: int | None = None,
) -> Finished:
    """Apply ``result`` and end the attempt; raises ``Fenced`` when ``claim`` is no longer the live one.

    A next stage on one of the queues ``onward`` is claimed for the same worker in the same statement; where
    none begins, the ready stage ``branch`` of the same flow, on one of them too. Safe to call again when the
    answer was lost: what has been applied is found by the token, and a stage that was claimed comes back by
    its lease.
    """
    spent, after = spent or Spent(), After(tuple(onward), branch)
    try:
        return database.retry_while_away(lambda: _apply_result(claim, result, spent, after))
    except Fenced:
        # Fenced, or applied by an earlier run whose answer was lost: then the token's attempt is closed.
        earlier = database.fetch_rows(_SQL["find_finished_attempt"], {"token": claim.token})
        if not earlier:
            raise
        return Finished(send=tuple(row.next_id for row in earlier if row.next_id is not None))


def _apply_result(claim: Claim, result: StageResult, spent: Spent, after: After) -> Finished:
    match result:
        case Done(artifacts=(), gates=(), block=None, block_family=""):
            # The common case: one statement, which is its own transaction. It does nothing where a repair was
            # asked for.
            rows = _pass_stage(claim, result, spent, after, repair=False)
            return _read_next_stages(claim, rows) if rows else _pass_under_lock(claim, result, spent, after)
        case Done():
            return _pass_under_lock(claim, result, spent, after)
        case Repair():
            return Finished(send=outcome.end_with_repair(claim, result, spent))
        case Park():
            outcome.end_with_wait(claim, result)
        case Failed():
            outcome.end_with_failure(claim, result, spent)
    return Finished()


def _pass_under_lock(claim: Claim, result: Done, spent: Spent, after: After) -> Finished:
    """Pass the stage together with what its result carries, and begin the round that others have asked
    for.
    """
    with transaction.atomic():
        # It takes the flow's lock first, so the statement that follows does not wait for it.
        held = store.store_result(claim, result)
        rows = _pass_stage(claim, result, spent, after, repair=held.repair_asked)
        if not rows:
            raise Fenced(
                f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one."
            )
        finished = _read_next_stages(claim, rows)
        if held.repair_asked:
            # This may have been the last stage that the round had to wait for.
            begun = repair_round.begin_round(held)
            finished = replace(finished, send=(*finished.send, *begun), routes=(), follow_tail=False)
    return finished


def _pass_stage(claim: Claim, result: Done, spent: Spent, after: After, *, repair: bool) -> list[Any]:
    params = {
        "flow": claim.flow_id,
        "stage": claim.stage_id,
        "token": claim.token,
        "worker": claim.worker,
        "repo": claim.repo,
        "output": Jsonb(dict(result.output)),
        "model": spent.model,
        "fallback_from": spent.fallback_from,
        "prompt": spent.prompt,
        "onward": list(after.queues),
        "branch": after.branch,
        # Made here, because the next stage is claimed in the same statement.
        "next": uuid.uuid4(),
        "lease": float(settings.ENGINE_LEASE_SECONDS),
        "repair": repair,
    }
    return database.fetch_rows(_SQL["finish_stage"], params)


def _read_next_stages(claim: Claim, rows: list[Any]) -> Finished:
    """What happened to the stages that need the one that passed; a row without an id stands for none of
    them.
    """
    if rows[0].flow_ended:
        flow_trace.record_end_after_commit(claim.flow_id)
    taken = [row for row in rows if row.attempt is not None]
    started = [row for row in rows if row.id is not None]
    # Left to the dispatcher: a full queue, a pause.
    sent = [row for row in started if row.attempt is None and row.room]
    # A branch goes alone: what follows it is mostly where branches meet, which no message carries, so a look
    # at the ways in the database would find nothing more.
    forks = len(started) > 1
    return Finished(
        send=tuple(row.id for row in sent),
        routes=tuple(Route(((row.id, row.queue),)) for row in sent) if forks else (),
        # A message does not carry a stage where branches meet: it cannot know which branch is the last.
        follow_tail=bool(sent) and sent == started and not any(row.joins for row in sent),
        claimed=_take_claim(claim, taken[0]) if taken else None,
    )


def _take_claim(claim: Claim, row: Any) -> Claim:
    return replace(
        claim,
        token=row.token,
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
