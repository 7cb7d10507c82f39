"""The end of an attempt: its result becomes the state of stage and flow, once, or not at all.

Every way out is fenced by the token. A ``Done`` without artifacts is one statement; what else a result carries is written
in the same transaction before it, under the same lock of the flow.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from psycopg.types.json import Jsonb

from orchestrator.core import database
from orchestrator.flows.engine import outcome, store
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.errors import Fenced
from orchestrator.flows.engine.holds import held
from orchestrator.flows.stage_protocol import Done, Failed, Park, Repair, StageResult

# What follows is ready, or goes to the same worker at once where that serves its queue, the queue has room and nothing is held:
# a claim of its own would write the same row twice, and wait for a message in between.
DONE = f"""
WITH f AS (
    SELECT id, status, cost_usd, deadline_at > now() AS in_time FROM flows_flow
    WHERE id = %(flow)s AND status IN ('running', 'paused') FOR NO KEY UPDATE
), s AS (
    UPDATE flows_stage st SET status = 'passed', token = NULL, lease_until = NULL, finished_at = clock_timestamp(),
        output = %(output)s, error_code = '', error_message = '', error_cure = ''
    FROM f WHERE st.id = %(stage)s AND st.flow_id = f.id AND st.token = %(token)s AND st.status = 'running'
    RETURNING st.id, st.flow_id, st.position, st.kind, st.round
), following AS (
    SELECT x.id, room.yes AS room, room.yes AND f.in_time AND x.queue = ANY(%(onward)s::text[])
        AND NOT {held("x.queue", "%(repo)s")} AS taken
    FROM s CROSS JOIN f CROSS JOIN LATERAL (
        SELECT id, queue FROM flows_stage p WHERE p.flow_id = s.flow_id AND p.position > s.position AND p.status = 'pending'
        ORDER BY p.position LIMIT 1) x
    CROSS JOIN LATERAL (
        SELECT f.status = 'running' AND NOT EXISTS (
            SELECT 1 FROM flows_queueload q WHERE q.queue = x.queue AND q.full_until > now()) AS yes) room
), n AS (
    UPDATE flows_stage st SET status = CASE WHEN x.taken THEN 'running' ELSE 'ready' END, ready_at = clock_timestamp(),
        sent_at = CASE WHEN x.room THEN clock_timestamp() END, sends = st.sends + x.room::int,
        token = CASE WHEN x.taken THEN %(next_token)s::uuid END,
        lease_until = CASE WHEN x.taken THEN clock_timestamp() + make_interval(secs => %(lease)s) END,
        worker = CASE WHEN x.taken THEN %(worker)s ELSE st.worker END, attempts_made = st.attempts_made + x.taken::int,
        started_at = CASE WHEN x.taken THEN COALESCE(st.started_at, clock_timestamp()) ELSE st.started_at END
    FROM following x WHERE st.id = x.id
    RETURNING st.id, st.kind, st.round, st.queue, st.feedback, st.attempts_made, st.failures, st.waits_for, x.room, x.taken
), na AS (
    INSERT INTO flows_attempt (stage_id, number, token, worker, started_at, outcome, model, fallback_from, error_code,
        error_message)
    SELECT n.id, n.attempts_made, %(next_token)s, %(worker)s, clock_timestamp(), 'running', '', '', '', '' FROM n WHERE n.taken
    RETURNING id
), c AS (
    SELECT COALESCE(sum(p.cost_usd), 0) AS usd, COALESCE(sum(p.cost_usd) FILTER (WHERE p.stage_id = %(stage)s), 0) AS stage_usd
    FROM providers_providercall p WHERE p.flow_id = %(flow)s AND p.status = 'settled'
), moved AS (
    UPDATE flows_flow fl SET cost_usd = c.usd,
        status = CASE WHEN n.id IS NULL THEN 'passed' ELSE fl.status END,
        finished_at = CASE WHEN n.id IS NULL THEN clock_timestamp() END
    FROM s LEFT JOIN n ON true CROSS JOIN c WHERE fl.id = s.flow_id AND (n.id IS NULL OR fl.cost_usd <> c.usd)
    RETURNING fl.status
), a AS (
    UPDATE flows_attempt at SET outcome = 'passed', finished_at = clock_timestamp(), model = %(model)s,
        fallback_from = %(fallback_from)s
    FROM s WHERE at.token = %(token)s
    RETURNING extract(epoch FROM at.finished_at - at.started_at)::float8 AS seconds
), e AS (
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT flow_id, kind, stage_id, data, clock_timestamp() FROM (
        SELECT 1 AS n, s.flow_id, 'stage.passed' AS kind, s.id AS stage_id, jsonb_build_object('stage', s.kind, 'round', s.round,
            'worker', %(worker)s::text, 'seconds', round(a.seconds::numeric, 3), 'cost_usd', c.stage_usd::text) AS data
        FROM s CROSS JOIN a CROSS JOIN c
        UNION ALL
        SELECT 2, s.flow_id, CASE WHEN n.taken THEN 'stage.started' ELSE 'stage.ready' END, n.id,
            jsonb_build_object('stage', n.kind, 'round', n.round) || CASE WHEN n.taken
                THEN jsonb_build_object('attempt', n.attempts_made, 'worker', %(worker)s::text)
                ELSE jsonb_build_object('queue', n.queue) END
        FROM s CROSS JOIN n
        UNION ALL
        SELECT 3, s.flow_id, 'flow.passed', NULL, jsonb_build_object('cost_usd', c.usd::text)
        FROM s CROSS JOIN c WHERE NOT EXISTS (SELECT 1 FROM n)
    ) in_order ORDER BY n
)
SELECT n.id, n.kind, n.round, n.queue, n.feedback, n.attempts_made, n.failures, n.waits_for, n.room AND NOT n.taken AS sent,
    n.taken, na.id AS attempt
FROM s LEFT JOIN n ON true LEFT JOIN na ON true
"""  # noqa: S608 - made of constants
# What an earlier run of the same finish has left, for when the answer to its commit was lost.
ALREADY = """
SELECT at.outcome, n.id AS next_id FROM flows_attempt at JOIN flows_stage s ON s.id = at.stage_id
LEFT JOIN LATERAL (SELECT x.id FROM flows_stage x WHERE x.flow_id = s.flow_id AND x.position > s.position
    AND x.status = 'ready' AND x.sent_at IS NOT NULL ORDER BY x.position LIMIT 1) n ON true
WHERE at.token = %(token)s AND at.outcome IN ('passed', 'failed', 'parked')
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """Which model answered, and in whose place, for the attempt's row."""

    model: str = ""
    fallback_from: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """What follows a finish. ``follow_tail``: the next stage counts as sent; the tail of the chain that brought this one does it.

    ``claimed``: the next stage, held already by whoever finished. ``resend``: the stages have changed; a new chain from the
    database has to be sent in place of the tail.
    """

    follow_tail: bool = False
    claimed: Claim | None = None
    resend: bool = False


def finish(
    claim: Claim, result: StageResult, spent: Spent | None = None, onward: Collection[str] = ()
) -> Finished:
    """Apply ``result`` and end the attempt; raises ``Fenced`` when ``claim`` is no longer the live one.

    A next stage on one of the queues ``onward`` is claimed for the same worker in the same breath. Safe to call again when
    the answer was lost: what has been applied is found by the token, and a next stage that was claimed comes back by its lease.
    """
    spent = spent or Spent()
    try:
        return database.retry_while_away(lambda: _apply_result(claim, result, spent, onward))
    except Fenced:
        earlier = database.fetch_rows(ALREADY, {"token": claim.token})
        if not earlier:
            raise
        return Finished(resend=earlier[0].next_id is not None)


def _apply_result(claim: Claim, result: StageResult, spent: Spent, onward: Collection[str]) -> Finished:
    match result:
        case Done(artifacts=(), gates=(), block=None):
            return _pass_stage(claim, result, spent, onward)
        case Done():
            with transaction.atomic():
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
    done = database.fetch_rows(DONE, params)
    if not done:
        raise Fenced(f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one.")
    (row,) = done
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
