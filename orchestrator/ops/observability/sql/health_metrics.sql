-- Statements of orchestrator/ops/observability/health_metrics.py.

-- name: count_connections
-- Count the connections of the whole server, because its limit is one for all databases.
SELECT
    count(*) AS used,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS bound
FROM pg_stat_activity
-- The server's own processes take no place.
WHERE backend_type = 'client backend'

-- name: measure_outgoing_events
-- Count the outgoing events that wait and those that were given up, with the age in seconds of the oldest.
SELECT
    count(*) FILTER (WHERE attempts < %(bound)s) AS waiting,
    count(*) FILTER (WHERE attempts >= %(bound)s) AS given_up,
    -- float8, because the driver would turn a numeric into a Decimal.
    coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest,
    -- How long the event that is due the longest has waited for its turn.
    greatest(coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE attempts < %(bound)s)), 0), 0)::float8
    AS overdue
FROM core_outgoingevent

-- name: summarize_kill_rates
-- Average and least mutation kill rate in percent over the flows whose mutation gate ran in the last hour.
SELECT
    count(*) AS flows,
    avg(score)::float8 AS mean,
    min(score)::float8 AS least
FROM (
    -- A flow counts once, by its last round: an earlier one was repaired.
    SELECT DISTINCT ON (flow_id) score
    FROM flows_gateresult
    WHERE gate = 'mutation' AND score IS NOT NULL AND created_at > now() - interval '1 hour'
    ORDER BY flow_id, round DESC
) AS last_round
