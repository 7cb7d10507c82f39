-- Statements of orchestrator/ops/observability/quota_metrics.py.

-- name: count_late_stages
-- Count the stages of each queue and status that have waited for over five minutes, and the longest wait.
SELECT
    queue,
    status,
    count(*) FILTER (WHERE since < now() - interval '5 minutes') AS late,
    -- float8, because the driver would turn a numeric into a Decimal.
    coalesce(extract(epoch FROM now() - min(since)), 0)::float8 AS oldest
FROM (
    -- A stage that waits for a provider has been in line since it began to wait, not since it was ready.
    SELECT queue, status, coalesce(waiting_since, ready_at) AS since
    FROM flows_stage
    WHERE status IN ('ready', 'waiting')
) s
GROUP BY 1, 2
