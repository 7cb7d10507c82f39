-- What the verbs share: locks, events, costs, ends. Each runs inside the caller's transaction.

-- name: lock_flow
-- Lock a flow before its stages: NO KEY, so that inserts of events and attempts need not wait for it.
SELECT id, status, flow_type, flow_type_version, repo_id, repair_asked
FROM flows_flow
WHERE id = %(flow)s
FOR NO KEY UPDATE;

-- name: lock_live_stage
-- Lock a stage whose attempt holds the token; no row if the attempt has been fenced.
SELECT id
FROM flows_stage
WHERE id = %(stage)s AND token = %(token)s AND status = 'running'
FOR NO KEY UPDATE;

-- name: record_event
-- Write an event. Its time is named, because the default is the statement's start, which may be before a wait
-- for a lock.
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
VALUES (%(flow)s, %(kind)s, %(stage)s, %(data)s, clock_timestamp());

-- name: refresh_cost
-- Set the flow's cost to the sum of its calls; one that is under way costs nothing yet. The row is not written
-- where the sum is the same.
UPDATE flows_flow
SET cost_usd = c.usd
FROM (
    SELECT COALESCE(sum(cost_usd), 0) AS usd
    FROM providers_providercall
    WHERE flow_id = %(flow)s
) c
WHERE id = %(flow)s AND cost_usd <> c.usd;

-- name: end_attempt
-- Close an attempt and measure it; no row if it was closed before.
UPDATE flows_attempt
SET outcome = %(outcome)s, finished_at = clock_timestamp(),
    error_code = %(code)s, error_message = %(message)s,
    model = %(model)s, fallback_from = %(fallback_from)s, prompt = %(prompt)s
WHERE token = %(token)s AND outcome = 'running'
RETURNING extract(epoch FROM finished_at - started_at)::float8 AS seconds;

-- name: fail_stage
-- Fail a live stage. Without its token no late attempt can write to it.
UPDATE flows_stage
SET status = 'failed', token = NULL, lease_until = NULL, finished_at = clock_timestamp(),
    not_before = NULL, wait_reason = '', waits_for = '',
    error_code = %(code)s, error_message = %(message)s, error_cure = %(cure)s
WHERE id = %(stage)s
RETURNING kind, round;

-- name: fail_flow
-- Fail a flow, stop what is under way beside the stage that failed, and skip what has not begun.
WITH under_way AS (
    -- The tokens as they are before the update below takes them away: every step sees the same snapshot.
    SELECT id, kind, round, token FROM flows_stage
    WHERE flow_id = %(flow)s AND status IN ('ready', 'running', 'waiting')
), attempts AS (
    -- Their workers learn of it at their next heartbeat; without a token nothing that they write counts.
    UPDATE flows_attempt at
    SET outcome = 'cancelled', finished_at = clock_timestamp(), error_code = %(code)s,
        error_message = 'Another stage of the flow failed.'
    FROM under_way u WHERE at.token = u.token AND at.outcome = 'running'
), told AS (
    -- What was under way is told; what had not begun was never shown as begun.
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT %(flow)s, 'stage.skipped', u.id,
        jsonb_build_object('stage', u.kind, 'round', u.round, 'reason', 'Another stage of the flow failed.'),
        clock_timestamp()
    FROM under_way u ORDER BY u.id
), skipped AS (
    -- A retry brings these stages back.
    UPDATE flows_stage
    SET status = 'skipped', token = NULL, lease_until = NULL, not_before = NULL, wait_reason = '',
        waits_for = '', waiting_since = NULL
    WHERE flow_id = %(flow)s AND status IN ('pending', 'ready', 'running', 'waiting')
)
UPDATE flows_flow
SET status = 'failed', finished_at = clock_timestamp(),
    error_code = %(code)s, error_message = %(message)s, error_cure = %(cure)s
WHERE id = %(flow)s;

-- name: rest_flow
-- Let a flow wait whose stages under way all wait. A paused flow remains paused.
UPDATE flows_flow fl SET status = 'waiting'
WHERE fl.id = %(flow)s AND fl.status = 'running'
    AND EXISTS (SELECT 1 FROM flows_stage w WHERE w.flow_id = fl.id AND w.status = 'waiting')
    AND NOT EXISTS (SELECT 1 FROM flows_stage b WHERE b.flow_id = fl.id AND b.status IN ('ready', 'running'));
