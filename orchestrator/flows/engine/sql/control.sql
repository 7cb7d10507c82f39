-- What people may do to a flow. Each runs after the flow's lock is taken.

-- name: cancel_flow
-- End a flow, its stages and its running attempts.
WITH stopped AS (
    -- The tokens as they are before the update below takes them away: every step sees the same snapshot.
    SELECT id, token
    FROM flows_stage
    WHERE flow_id = %(flow)s AND status IN ('pending', 'ready', 'running', 'waiting')
), attempts AS (
    -- The attempts that run now. Their workers learn of it at their next heartbeat.
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
-- Pause a flow. Stages that run may end.
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
            WHEN NOT EXISTS (SELECT 1 FROM s)
                AND EXISTS (SELECT 1 FROM flows_stage x WHERE x.flow_id = f.id AND x.status = 'waiting')
                AND NOT EXISTS (
                    SELECT 1 FROM flows_stage x WHERE x.flow_id = f.id AND x.status IN ('ready', 'running')
                )
            THEN 'waiting'
            WHEN f.started_at IS NULL THEN 'pending'
            ELSE 'running'
        END,
        deadline_at = f.deadline_at + (clock_timestamp() - COALESCE(since.at, clock_timestamp()))
    FROM since WHERE f.id = %(flow)s
)
SELECT id, kind, round, queue FROM s;

-- name: mark_ready_stages_as_sent
-- Count the ready stages of a flow as sent: the caller sends them after its commit.
UPDATE flows_stage
SET sent_at = clock_timestamp(), sends = 1
WHERE flow_id = %(flow)s AND status = 'ready';

-- name: reopen_flow
-- Let a failed or cancelled flow run again, with a new deadline.
UPDATE flows_flow
SET status = 'running', repair_asked = false, finished_at = NULL, error_code = '', error_message = '',
    error_cure = '', trace_parent = %(trace_parent)s,
    deadline_at = clock_timestamp() + make_interval(secs => %(deadline)s)
WHERE id = %(flow)s;

-- name: find_failed_stage
-- Find the stage that failed last. Earlier ones failed with a repair request that was granted.
SELECT id FROM flows_stage
WHERE flow_id = %(flow)s AND status = 'failed'
ORDER BY finished_at DESC, position DESC
LIMIT 1;

-- name: reopen_stages
-- Bring back what failed, what that failure stopped or skipped and what was cancelled, and return what is ready
-- now: a stage with nothing left that it needs, with all its attempts left.
WITH back AS (
    -- Not what a later round has replaced.
    SELECT st.id, st.status = 'failed' OR st.needs IS NOT NULL AND st.needs_left = 0
        -- A row from before stages named what they need: the first one that was cancelled was the live one.
        OR st.needs IS NULL AND st.status = 'cancelled' AND st.position = (
            SELECT min(c.position) FROM flows_stage c WHERE c.flow_id = st.flow_id AND c.status = 'cancelled'
        ) AS ready
    FROM flows_stage st
    WHERE st.flow_id = %(flow)s AND st.status IN ('failed', 'skipped', 'cancelled')
        AND NOT EXISTS (
            SELECT 1 FROM flows_stage later
            WHERE later.flow_id = st.flow_id AND later.kind = st.kind AND later.round > st.round
        )
), s AS (
    -- Failures and crashes are counted from none again.
    UPDATE flows_stage st
    SET status = CASE WHEN back.ready THEN 'ready' ELSE 'pending' END, failures = 0, crashes = 0,
        ready_at = CASE WHEN back.ready THEN clock_timestamp() END,
        finished_at = NULL, error_code = '', error_message = '', error_cure = ''
    FROM back WHERE st.id = back.id
    RETURNING st.id, st.kind, st.round, st.queue, st.position, st.status
)
SELECT id, kind, round, queue FROM s WHERE status = 'ready' ORDER BY position;

-- name: write_priority
-- Change a flow's priority.
UPDATE flows_flow SET priority = %(priority)s WHERE id = %(flow)s;

-- name: clear_fair_tag
-- Take the virtual time away from a ready stage: the dispatcher gives it one that fits the new priority.
UPDATE flows_stage SET fair_tag = 0 WHERE flow_id = %(flow)s AND status = 'ready';
