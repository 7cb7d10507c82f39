-- Holds: pauses beyond one flow. Why statuses are asked for as st.status || '' says dispatch_queue.sql.

-- name: hold_ready_stages
-- Make ready stages wait that a hold covers or whose flow is paused, each with the reason for people.
WITH f AS (
    -- A flow whose lock is taken is skipped: the next look finds its stage again.
    SELECT st.id AS stage_id, fl.id,
        CASE
            WHEN h.scope IS NULL THEN 'The flow is paused.'
            ELSE CASE h.scope WHEN 'everything' THEN 'All flows are'
                    ELSE h.scope || ' ' || h.target || ' is' END
                || ' paused'
                || CASE WHEN h.actor <> '' THEN ' by ' || h.actor ELSE '' END
                || CASE WHEN h.reason <> '' THEN ': ' || h.reason ELSE '.' END
        END AS reason
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id JOIN repos r ON r.id = fl.repo_id
    -- The oldest hold that covers the stage gives the reason.
    LEFT JOIN LATERAL (
        SELECT h.scope, h.target, h.reason, h.actor FROM flows_hold h
        WHERE h.scope = 'everything'
            OR h.scope = 'repo' AND h.target = r.repo_name
            OR h.scope = 'queue' AND h.target = st.queue
        ORDER BY h.id
        LIMIT 1
    ) h ON true
    WHERE st.status = 'ready' AND (h.scope IS NOT NULL OR fl.status = 'paused')
        AND (%(any)s OR fl.status = 'paused')
    ORDER BY st.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Checked again: a worker may have claimed the stage before the lock was taken.
    UPDATE flows_stage st SET status = 'waiting', wait_reason = f.reason, not_before = NULL, sent_at = NULL
    FROM f WHERE st.id = f.stage_id AND st.status || '' = 'ready'
    RETURNING st.id, st.flow_id, st.kind, st.round, f.reason
), moved AS (
    -- A flow whose stages under way all wait, waits.
    UPDATE flows_flow fl SET status = 'waiting'
    WHERE fl.id IN (SELECT flow_id FROM s) AND fl.status = 'running' AND NOT EXISTS (
        SELECT 1 FROM flows_stage b
        WHERE b.flow_id = fl.id AND b.status IN ('ready', 'running') AND b.id NOT IN (SELECT id FROM s)
    )
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.waiting', s.id,
    jsonb_build_object('stage', s.kind, 'round', s.round, 'reason', s.reason), clock_timestamp()
FROM s
RETURNING id;

-- name: release_held_stages
-- Make waiting stages ready that nothing holds any more.
WITH st AS MATERIALIZED (
    -- Apart from the order below, for which the planner would read every stage there is: most have no
    -- not_before, and it takes that for a sign that many of those that wait have none.
    SELECT id, flow_id, queue FROM flows_stage WHERE status = 'waiting' AND not_before IS NULL
), f AS (
    -- A flow whose lock is taken is skipped: the next look finds its stage again.
    SELECT st.id AS stage_id, fl.id
    FROM st JOIN flows_flow fl ON fl.id = st.flow_id JOIN repos r ON r.id = fl.repo_id
    WHERE fl.status <> 'paused'
        AND NOT EXISTS (
            SELECT 1 FROM flows_hold h
            WHERE h.scope = 'everything'
                OR h.scope = 'repo' AND h.target = r.repo_name
                OR h.scope = 'queue' AND h.target = st.queue
        )
    ORDER BY st.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Ready and unsent: the dispatcher sends it in fair order.
    UPDATE flows_stage st
    SET status = 'ready', wait_reason = '', ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status || '' = 'waiting'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id,
    jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue), clock_timestamp()
FROM s
RETURNING id;

-- name: extend_held_deadlines
-- Move the deadlines of the flows that a hold covered by the time for which it lasted: a flow is not charged
-- for a hold.
UPDATE flows_flow fl
SET deadline_at = fl.deadline_at + (clock_timestamp() - GREATEST(fl.created_at, %(since)s))
FROM repos r
WHERE r.id = fl.repo_id AND fl.status IN ('pending', 'running', 'waiting', 'paused')
    AND (
        %(scope)s = 'everything'
        OR %(scope)s = 'repo' AND r.repo_name = %(target)s
        OR %(scope)s = 'queue' AND EXISTS (
            SELECT 1 FROM flows_stage st
            WHERE st.flow_id = fl.id AND st.queue = %(target)s AND st.status IN ('ready', 'waiting')
        )
    );
