-- Stages that wait for room at a provider. Why statuses are asked for as st.status || '' says dispatch_queue.sql.

-- name: list_awaited_providers
-- List the providers for whose room any stage waits, with the least that one needs. What waits for its repo's
-- budget is in no line.
SELECT waits_for AS provider, min(wait_tokens) AS tokens, min(wait_nano_usd) AS nano_usd
FROM flows_stage
WHERE status = 'waiting' AND waits_for <> '' AND waits_for <> 'repo' AND not_before IS NOT NULL
GROUP BY waits_for;

-- name: list_waiting_stages
-- List the first stages of every repo that wait for a provider: by priority, flows with a cost first, by age of
-- their flows.
SELECT id, repo_id, priority, has_cost, tokens, nano_usd
FROM (
    SELECT st.id, st.flow_id, fl.repo_id, fl.priority, fl.cost_usd > 0 AS has_cost,
        st.wait_tokens AS tokens, st.wait_nano_usd AS nano_usd,
        row_number() OVER (
            PARTITION BY fl.repo_id ORDER BY fl.priority DESC, fl.cost_usd > 0 DESC, st.flow_id
        ) AS place
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.status = 'waiting' AND st.waits_for = %(provider)s AND st.not_before IS NOT NULL
        AND fl.status <> 'paused'
) heads
WHERE place <= %(limit)s
ORDER BY priority DESC, has_cost DESC, flow_id;

-- name: sum_open_grants
-- Sum what stages will ask for that were released and have not called yet.
SELECT count(*) AS calls, COALESCE(sum(st.wait_tokens), 0)::bigint AS tokens,
    COALESCE(sum(st.wait_nano_usd), 0)::bigint AS nano_usd
FROM flows_stage st
WHERE st.status IN ('ready', 'running') AND st.waits_for = %(provider)s
    -- A grant that nobody uses in this time keeps its room from no other stage.
    AND st.ready_at > clock_timestamp() - make_interval(secs => %(seconds)s)
    -- From its call on, the limiter's own counters have it.
    AND NOT EXISTS (
        SELECT 1
        FROM flows_attempt at JOIN providers_providercall c ON c.stage_id = st.id AND c.attempt_id = at.id
        WHERE at.stage_id = st.id AND at.outcome = 'running'
    );

-- name: grant_room
-- Make these stages ready. They keep waits_for, which is their turn at the provider.
WITH f AS (
    -- A flow whose lock is taken is skipped: the next look finds its stage again.
    SELECT st.id AS stage_id, fl.id
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.id = ANY(%(stages)s::bigint[]) AND st.status || '' = 'waiting' AND fl.status <> 'paused'
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Asked again: the stage may have changed before the flow's lock was taken. Unsent, for the dispatcher to
    -- send.
    UPDATE flows_stage st
    SET status = 'ready', wait_reason = '', not_before = NULL, waiting_since = NULL,
        ready_at = clock_timestamp(), sent_at = NULL, sends = 0
    FROM f WHERE st.id = f.stage_id AND st.status || '' = 'waiting'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue
), waits AS (
    -- When the wait of each of these flows began: of this stage, or of another that still waits beside it.
    SELECT w.flow_id, min(w.waiting_since) AS since
    FROM flows_stage w
    WHERE w.flow_id IN (SELECT id FROM f) AND w.status = 'waiting' AND w.waits_for <> ''
    GROUP BY w.flow_id
), later AS (
    -- The time for which a flow waited for others does not count against its deadline.
    UPDATE flows_flow fl SET deadline_at = fl.deadline_at + (clock_timestamp() - waits.since)
    FROM waits WHERE fl.id = waits.flow_id
), counted AS (
    -- What has been counted is not counted again for the stages that still wait.
    UPDATE flows_stage w SET waiting_since = clock_timestamp()
    WHERE w.flow_id IN (SELECT id FROM f) AND w.status = 'waiting' AND w.waits_for <> ''
        AND w.id NOT IN (SELECT stage_id FROM f)
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.ready', s.id,
    jsonb_build_object('stage', s.kind, 'round', s.round, 'queue', s.queue), clock_timestamp()
FROM s
RETURNING id;

-- name: find_late_stages
-- Find stages that were expected to have room by now.
SELECT id, waits_for AS provider, wait_tokens AS tokens, wait_nano_usd AS nano_usd
FROM flows_stage
WHERE status = 'waiting' AND waits_for <> '' AND waits_for <> 'repo' AND not_before < %(now)s
ORDER BY not_before, id
LIMIT %(limit)s;

-- name: update_wait_reason
-- Say why a stage still waits, unless it was released meanwhile.
UPDATE flows_stage
SET wait_reason = %(reason)s, not_before = %(until)s
WHERE id = %(stage)s AND status = 'waiting' AND waits_for <> '' AND not_before IS NOT NULL;

-- name: sum_stages_ahead
-- Count the other stages that wait for a provider or are on their way to it, with the least that one is known to
-- need. The bound keeps a long line cheap.
SELECT count(*) AS stages, COALESCE(min(wait_tokens) FILTER (WHERE wait_tokens > 0), 0) AS tokens
FROM (
    SELECT wait_tokens
    FROM flows_stage
    WHERE waits_for = %(provider)s AND id <> %(stage)s
        AND (status = 'waiting' AND not_before IS NOT NULL OR status = 'ready')
    LIMIT 1000
) others;
