-- What people may do to a flow. Each runs after the flow's lock is taken.

-- name: cancel_flow
-- End a flow, its stages and its running attempt.
WITH stopped AS (
    -- The tokens as they are before the update below takes them away: every step sees the same snapshot.
    SELECT id, token
    FROM flows_stage
    WHERE flow_id = %(flow)s AND status IN ('pending', 'ready', 'running', 'waiting')
), attempts AS (
    -- The attempt that runs now. Its worker learns of it at its next heartbeat.
    UPDATE flows_attempt at SET outcome = 'cancelled', finished_at = clock_timestamp()
    FROM stopped WHERE at.token = stopped.token AND at.outcome = 'running'
), stages AS (
    -- Without a token nothing that the attempt writes counts.
    UPDATE flows_stage st
    SET status = 'cancelled', token = NULL, lease_until = NULL, not_before = NULL,
        wait_reason = '', waits_for = '', finished_at = clock_timestamp()
    FROM stopped WHERE st.id = stopped.id
)
UPDATE flows_flow SET status = 'cancelled', finished_at = clock_timestamp() WHERE id = %(flow)s;

-- name: pause_flow
-- Pause a flow. A stage that runs may end.
WITH s AS (
    -- No time at which the wait ends: only a resume ends it.
    UPDATE flows_stage SET status = 'waiting', wait_reason = %(reason)s, not_before = NULL
    WHERE flow_id = %(flow)s AND status = 'ready'
)
UPDATE flows_flow SET status = 'paused' WHERE id = %(flow)s;

-- name: resume_flow
-- Let a paused flow continue, and return its stages that are ready now.
WITH since AS (
    -- When the pause began.
    SELECT max(created_at) AS at FROM flows_flowevent WHERE flow_id = %(flow)s AND kind = 'flow.paused'
), s AS (
    -- Only what waits for a person; a wait for a provider or after a failure continues.
    UPDATE flows_stage
    SET status = 'ready', wait_reason = '', ready_at = clock_timestamp(),
        sent_at = clock_timestamp(), sends = 1
    WHERE flow_id = %(flow)s AND status = 'waiting' AND not_before IS NULL
    RETURNING id, kind, round, queue
), moved AS (
    -- The time for which a flow was paused does not count against its deadline.
    UPDATE flows_flow f
    SET status = CASE
            WHEN EXISTS (
                SELECT 1 FROM flows_stage x
                WHERE x.flow_id = f.id AND x.status = 'waiting' AND x.not_before IS NOT NULL
            ) THEN 'waiting'
            WHEN f.started_at IS NULL THEN 'pending'
            ELSE 'running'
        END,
        deadline_at = f.deadline_at + (clock_timestamp() - COALESCE(since.at, clock_timestamp()))
    FROM since WHERE f.id = %(flow)s
)
SELECT id, kind, round, queue FROM s;

-- name: mark_ready_stage_as_sent
-- Count the ready stage of a flow as sent: the caller sends it after its commit.
UPDATE flows_stage
SET sent_at = clock_timestamp(), sends = 1
WHERE flow_id = %(flow)s AND status = 'ready';

-- name: reopen_flow
-- Let a failed flow run again, with a new deadline.
WITH p AS (
    -- What the failure skipped is to come again.
    UPDATE flows_stage SET status = 'pending' WHERE flow_id = %(flow)s AND status = 'skipped'
)
UPDATE flows_flow
SET status = 'running', finished_at = NULL, error_code = '', error_message = '', error_cure = '',
    deadline_at = clock_timestamp() + make_interval(secs => %(deadline)s)
WHERE id = %(flow)s;

-- name: find_failed_stage
-- Find the stage that failed last. Earlier ones failed with a repair request that was granted.
SELECT id, repair <> '{}' AS asked_for_repair
FROM flows_stage
WHERE flow_id = %(flow)s AND status = 'failed'
ORDER BY position DESC
LIMIT 1;

-- name: restart_failed_stage
-- Make a failed stage ready, with all its attempts left.
UPDATE flows_stage
SET status = 'ready', ready_at = clock_timestamp(), sent_at = clock_timestamp(), sends = 1, failures = 0,
    crashes = 0, finished_at = NULL, error_code = '', error_message = '', error_cure = ''
WHERE id = %(stage)s
RETURNING kind, round, queue;

-- name: write_priority
-- Change a flow's priority.
UPDATE flows_flow SET priority = %(priority)s WHERE id = %(flow)s;

-- name: clear_fair_tag
-- Take the virtual time away from a ready stage: the dispatcher gives it one that fits the new priority.
UPDATE flows_stage SET fair_tag = 0 WHERE flow_id = %(flow)s AND status = 'ready';
