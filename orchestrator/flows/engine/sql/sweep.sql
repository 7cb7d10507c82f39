-- What the dispatcher finds by looking. Why statuses are asked for as st.status || '' says dispatch_queue.sql.

-- name: find_expired_leases
-- Find running stages whose lease has run out. Nothing is locked: expire_lease looks again under the flow's
-- lock. Looks have the time of the statement: the clock moves, so no index serves a condition on it.
SELECT id, flow_id, token, worker
FROM flows_stage
WHERE status = 'running' AND lease_until < statement_timestamp()
ORDER BY lease_until
LIMIT %(limit)s;

-- name: lock_expired_stage
-- Lock a stage that its worker lost or gives up; no row if it ended, or if the lease was renewed meanwhile.
SELECT id, kind, round, queue, worker, crashes
FROM flows_stage
WHERE id = %(stage)s AND token = %(token)s AND status = 'running'
    AND (lease_until < clock_timestamp() OR %(given_up)s)
FOR NO KEY UPDATE;

-- name: find_stages_of_workers
-- Find what workers hold whose names begin with one of these prefixes: host and process.
SELECT id, flow_id, token, worker
FROM flows_stage st
WHERE status = 'running'
    AND EXISTS (SELECT 1 FROM unnest(%(workers)s::text[]) AS w(name) WHERE starts_with(st.worker, w.name));

-- name: return_stage
-- Make a stage ready that has lost its worker. It is unsent: the dispatcher sends it in fair order.
UPDATE flows_stage
SET status = 'ready', token = NULL, lease_until = NULL, crashes = crashes + %(crashed)s,
    ready_at = clock_timestamp(), sent_at = NULL, sends = 0
WHERE id = %(stage)s;

-- name: let_lost_stage_wait
-- Let a stage wait that has lost its worker more than once, and return until when, by the clock of the database.
UPDATE flows_stage
SET status = 'waiting', token = NULL, lease_until = NULL, crashes = crashes + 1,
    wait_reason = %(reason)s, waits_for = '', sent_at = NULL, sends = 0,
    waiting_since = COALESCE(waiting_since, clock_timestamp()),
    not_before = clock_timestamp() + make_interval(secs => %(pause)s)
WHERE id = %(stage)s
RETURNING not_before;

-- name: count_shared_crashes
-- Count how many of the last losses of a stage took other stages of the same process too.
SELECT count(*) FILTER (WHERE error_code = %(shared)s) AS shared
FROM (
    SELECT error_code
    FROM flows_attempt
    WHERE stage_id = %(stage)s AND error_code = ANY (%(lost)s::text[])
    ORDER BY number DESC
    LIMIT %(crashes)s
) AS losses;

-- name: find_overdue_flows
-- Find flows past their deadline. One that is held or waits for a provider gets its deadline moved when it
-- continues.
SELECT fl.id
FROM flows_flow fl JOIN repos r ON r.id = fl.repo_id
WHERE fl.status IN ('pending', 'running', 'waiting')
    AND fl.deadline_at < statement_timestamp()
    AND NOT EXISTS (
        SELECT 1 FROM flows_stage w WHERE w.flow_id = fl.id AND w.status || '' = 'waiting' AND w.waits_for <> ''
    )
    AND NOT EXISTS (
        SELECT 1 FROM flows_hold h
        WHERE h.scope = 'everything'
            OR h.scope = 'repo' AND h.target = r.repo_name
            OR h.scope = 'queue' AND h.target = ANY (
                SELECT st.queue
                FROM flows_stage st
                WHERE st.flow_id = fl.id AND st.status IN ('ready', 'waiting')
            )
    )
LIMIT %(limit)s;

-- name: refresh_late_costs
-- Take into the cost of flows what became known of their calls without them: where a worker is lost, the lease
-- of its call runs out later, perhaps after the flow has ended. Flows are few, because nearly all calls are
-- settled by those who made them.
WITH late AS (
    -- The flows of calls that were given up lately.
    SELECT DISTINCT flow_id
    FROM providers_providercall
    WHERE status = 'unknown' AND settled_at > now() - make_interval(secs => %(seconds)s) AND flow_id IS NOT NULL
), c AS (
    -- What each of them costs by the ledger.
    SELECT flow_id, sum(cost_usd) AS usd
    FROM providers_providercall JOIN late USING (flow_id)
    GROUP BY flow_id
)
UPDATE flows_flow fl
SET cost_usd = c.usd
FROM c
WHERE fl.id = c.flow_id AND fl.cost_usd <> c.usd
RETURNING fl.id;

-- name: lock_live_stages
-- Lock what a flow has ready, running or waiting.
SELECT id, token
FROM flows_stage
WHERE flow_id = %(flow)s AND status IN ('ready', 'running', 'waiting')
ORDER BY position
FOR NO KEY UPDATE;

-- name: release_due_stages
-- Make stages ready whose pause after a failure is over. Those that wait for a provider are released by its
-- room.
WITH f AS (
    -- A flow whose lock is taken is skipped: the next look finds its stage again.
    SELECT st.id AS stage_id, fl.id
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.status = 'waiting' AND fl.status <> 'paused' AND st.not_before <= statement_timestamp()
        AND st.waits_for = ''
    ORDER BY st.not_before
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Asked again: the stage may have changed before the flow's lock was taken. Unsent, for the dispatcher to
    -- send.
    UPDATE flows_stage st
    SET status = 'ready', wait_reason = '', not_before = NULL, ready_at = clock_timestamp(),
        sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status || '' = 'waiting'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id,
    jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue), clock_timestamp()
FROM s
RETURNING id;
