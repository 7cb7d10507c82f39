-- What the verbs share: locks, events, costs, ends. Each runs inside the caller's transaction.

-- name: lock_flow
-- Lock a flow before its stages: NO KEY, so that inserts of events and attempts need not wait for it.
SELECT id, status, flow_type, flow_type_version, repo_id
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
-- Set the flow's cost to the sum of its settled calls. The row is not written where the sum is the same.
UPDATE flows_flow
SET cost_usd = c.usd
FROM (
    SELECT COALESCE(sum(cost_usd), 0) AS usd
    FROM providers_providercall
    WHERE flow_id = %(flow)s AND status = 'settled'
) c
WHERE id = %(flow)s AND cost_usd <> c.usd;

-- name: end_attempt
-- Close an attempt and measure it; no row if it was closed before.
UPDATE flows_attempt
SET outcome = %(outcome)s, finished_at = clock_timestamp(),
    error_code = %(code)s, error_message = %(message)s,
    model = %(model)s, fallback_from = %(fallback_from)s
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
-- Fail a flow and skip what has not begun.
WITH skipped AS (
    -- A retry makes these stages pending again.
    UPDATE flows_stage SET status = 'skipped' WHERE flow_id = %(flow)s AND status = 'pending'
)
UPDATE flows_flow
SET status = 'failed', finished_at = clock_timestamp(),
    error_code = %(code)s, error_message = %(message)s, error_cure = %(cure)s
WHERE id = %(flow)s;
