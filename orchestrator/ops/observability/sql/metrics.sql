-- Statements of orchestrator/ops/observability/metrics.py. Each costs one row for a set of labels, however many
-- flows and calls there are.

-- name: count_standing_flows
-- Count flows by status, those that passed left out: each status is a range of an index, and the others are few.
SELECT status, count(*) AS flows
FROM flows_flow
WHERE status IN ('pending', 'running', 'waiting', 'paused', 'failed', 'cancelled')
GROUP BY status

-- name: count_live_stages
-- Count the stages of each queue and status that have not ended, with the age in seconds of the oldest.
SELECT
    queue,
    status,
    count(*) AS stages,
    -- A stage with neither time counts as new.
    extract(epoch FROM now() - min(coalesce(waiting_since, ready_at, now()))) AS age
FROM flows_stage
WHERE status IN ('ready', 'running', 'waiting')
GROUP BY 1, 2
