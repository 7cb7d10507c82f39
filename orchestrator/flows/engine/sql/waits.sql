-- Waits that end before their time. Why statuses are asked for as st.status || '' says dispatch_queue.sql.

-- name: end_waits
-- Make ready what a flow waits for, and return it. What waits for a person has no time at which the wait ends.
WITH w AS (
    -- As they are before the update.
    SELECT id, waits_for, waiting_since FROM flows_stage
    WHERE flow_id = %(flow)s AND status = 'waiting' AND not_before IS NOT NULL
), s AS (
    -- Without waits_for, which would be a turn before the others. Unsent, for the dispatcher to send.
    UPDATE flows_stage st
    SET status = 'ready', wait_reason = '', waits_for = '', not_before = NULL, waiting_since = NULL,
        ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM w WHERE st.id = w.id
    RETURNING st.id, st.kind, st.round, st.queue
), later AS (
    -- The time for which a flow waited for a provider does not count against its deadline.
    UPDATE flows_flow SET deadline_at = deadline_at + (
        SELECT max(clock_timestamp() - waiting_since) FROM w WHERE waits_for <> ''
    )
    WHERE id = %(flow)s AND EXISTS (SELECT 1 FROM w WHERE waits_for <> '' AND waiting_since IS NOT NULL)
)
SELECT id, kind, round, queue FROM s ORDER BY id;

-- name: end_waits_for_fallback
-- Make ready the stages that wait for a provider and whose flow has got a fallback since they began to wait.
WITH f AS (
    -- A flow whose lock is taken is skipped: the next look finds its stage again.
    SELECT st.id AS stage_id, fl.id, st.waiting_since
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.status = 'waiting' AND st.waits_for <> '' AND st.not_before IS NOT NULL AND fl.status <> 'paused'
        AND (
            %(everyone)s AND COALESCE(fl.settings ->> 'fallback.model', '') = ''
            OR EXISTS (
                SELECT 1 FROM repos_reposetting rs
                WHERE rs.key = 'fallback.model' AND (rs.repo_id = fl.repo_id OR rs.repo_id IS NULL)
                    AND rs.created_at > st.waiting_since AND COALESCE(rs.value #>> '{}', '') <> ''
            )
        )
    ORDER BY st.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Asked again: the stage may have changed before the flow's lock was taken.
    UPDATE flows_stage st
    SET status = 'ready', wait_reason = '', waits_for = '', not_before = NULL, waiting_since = NULL,
        ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status || '' = 'waiting'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
), later AS (
    -- The time for which a flow waited for others does not count against its deadline.
    UPDATE flows_flow fl SET deadline_at = fl.deadline_at + (clock_timestamp() - f.waiting_since)
    FROM f WHERE fl.id = f.id AND f.waiting_since IS NOT NULL
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id,
    jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue), clock_timestamp()
FROM s
RETURNING id;

-- name: end_waits_for_budget
-- Make ready the stages that wait for the budget of their repo, where some may be back or it was changed since: the
-- first few of each repo, because each takes from what is left for the next.
WITH heads AS (
    -- In the order of their flows. A setting that was made before the wait has been asked for already.
    SELECT st.id AS stage_id, st.flow_id, st.waiting_since,
        row_number() OVER (PARTITION BY fl.repo_id ORDER BY fl.priority DESC, st.flow_id) AS place
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.status = 'waiting' AND st.waits_for = 'repo' AND fl.status <> 'paused'
        AND (
            st.not_before <= clock_timestamp()
            OR st.not_before IS NOT NULL AND EXISTS (
                SELECT 1 FROM repos_reposetting rs
                WHERE rs.key IN ('budget.tokens_day', 'budget.usd_day')
                    AND (rs.repo_id = fl.repo_id OR rs.repo_id IS NULL) AND rs.created_at > st.waiting_since
            )
        )
), f AS (
    -- Few of each repo. A flow whose lock is taken is skipped: the next look finds its stage again.
    SELECT heads.stage_id, heads.waiting_since, fl.id
    FROM heads JOIN flows_flow fl ON fl.id = heads.flow_id
    WHERE heads.place <= %(per_repo)s
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Asked again: the stage may have changed before the flow's lock was taken. Unsent, for the dispatcher to
    -- send.
    UPDATE flows_stage st
    SET status = 'ready', wait_reason = '', waits_for = '', not_before = NULL, waiting_since = NULL,
        ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status || '' = 'waiting'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
), later AS (
    -- The time for which a flow waited for its repo's budget does not count against its deadline.
    UPDATE flows_flow fl SET deadline_at = fl.deadline_at + (clock_timestamp() - f.waiting_since)
    FROM f WHERE fl.id = f.id AND f.waiting_since IS NOT NULL
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id,
    jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue), clock_timestamp()
FROM s
RETURNING id;
