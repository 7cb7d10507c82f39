"""The end of an attempt: its result becomes the state of stage and flow, once, or not at all.

Every way out is fenced by the token. A ``Done`` without artifacts is one statement; what else a result carries is written
in the same transaction before it, under the same lock of the flow.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from psycopg.types.json import Jsonb

from orchestrator.flows.engine import ending, store
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.database import outlasting, rows
from orchestrator.flows.engine.errors import Fenced
from orchestrator.flows.stages.base import Done, Failed, Park, Repair, Result

DONE = """
WITH f AS (
    SELECT id, status, cost_usd FROM flows_flow WHERE id = %(flow)s AND status IN ('running', 'paused') FOR NO KEY UPDATE
), s AS (
    UPDATE flows_stage st SET status = 'passed', token = NULL, lease_until = NULL, finished_at = clock_timestamp(),
        output = %(output)s, error_code = '', error_message = '', error_cure = ''
    FROM f WHERE st.id = %(stage)s AND st.flow_id = f.id AND st.token = %(token)s AND st.status = 'running'
    RETURNING st.id, st.flow_id, st.position, st.kind, st.round
), following AS (
    SELECT x.id, x.queue FROM s CROSS JOIN LATERAL (
        SELECT id, queue FROM flows_stage p WHERE p.flow_id = s.flow_id AND p.position > s.position AND p.status = 'pending'
        ORDER BY p.position LIMIT 1) x
), n AS (
    UPDATE flows_stage st SET status = 'ready', ready_at = clock_timestamp(),
        sent_at = CASE WHEN room.yes THEN clock_timestamp() END, sends = st.sends + CASE WHEN room.yes THEN 1 ELSE 0 END
    FROM following x CROSS JOIN f CROSS JOIN LATERAL (
        SELECT f.status = 'running' AND NOT EXISTS (
            SELECT 1 FROM flows_queueload q WHERE q.queue = x.queue AND q.full_until > now()) AS yes) room
    WHERE st.id = x.id
    RETURNING st.id, st.kind, st.round, st.queue, st.sent_at
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
        SELECT 2, s.flow_id, 'stage.ready', n.id, jsonb_build_object('stage', n.kind, 'round', n.round, 'queue', n.queue)
        FROM s CROSS JOIN n
        UNION ALL
        SELECT 3, s.flow_id, 'flow.passed', NULL, jsonb_build_object('cost_usd', c.usd::text)
        FROM s CROSS JOIN c WHERE NOT EXISTS (SELECT 1 FROM n)
    ) in_order ORDER BY n
)
SELECT s.id, n.id AS next_id, n.sent_at IS NOT NULL AS sent FROM s LEFT JOIN n ON true
"""
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
    """What follows a finish. ``follow_tail``: the next stage was given to the tail of the chain that brought this one.

    ``ended``: nothing follows, so there is no tail that must not fire. ``resend``: the stages have changed; a new chain from
    the database has to be sent in place of the tail.
    """

    follow_tail: bool = False
    ended: bool = False
    resend: bool = False


def finish(claim: Claim, result: Result, spent: Spent | None = None) -> Finished:
    """Apply ``result`` and end the attempt; raises ``Fenced`` when ``claim`` is no longer the live one.

    Safe to call again when the answer was lost: what has been applied is found by the token.
    """
    spent = spent or Spent()
    try:
        return outlasting(lambda: _apply(claim, result, spent))
    except Fenced:
        earlier = rows(ALREADY, {"token": claim.token})
        if not earlier:
            raise
        return Finished(resend=earlier[0].next_id is not None)


def _apply(claim: Claim, result: Result, spent: Spent) -> Finished:
    match result:
        case Done(artifacts=(), gates=(), block=None):
            return _pass(claim, result, spent)
        case Done():
            with transaction.atomic():
                store.keep(claim, result)
                return _pass(claim, result, spent)
        case Repair():
            return Finished(resend=ending.repair(claim, result, spent.model, spent.fallback_from))
        case Park():
            ending.park(claim, result)
        case Failed():
            ending.fail(claim, result, spent.model, spent.fallback_from)
    return Finished()


def _pass(claim: Claim, result: Done, spent: Spent) -> Finished:
    done = rows(DONE, _done(claim, result, spent))
    if not done:
        raise Fenced(f"{claim.flow_id}: attempt {claim.attempt_number} of {claim.kind} is not the live one.")
    return Finished(follow_tail=done[0].sent, ended=done[0].next_id is None)


def _done(claim: Claim, result: Done, spent: Spent) -> dict[str, Any]:
    return {
        "flow": claim.flow_id,
        "stage": claim.stage_id,
        "token": claim.token,
        "worker": claim.worker,
        "output": Jsonb(dict(result.output)),
        "model": spent.model,
        "fallback_from": spent.fallback_from,
    }
