-- What the flows of one repo use, beside tokens and money.

-- name: lock_repo_use
-- Wait for other transactions that let this repo use more. The lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0));

-- name: measure_repo_use
-- Measure what a repo uses, in a statement of its own, after the lock. The bounds keep a long list cheap.
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT 1 FROM flows_flow
            WHERE repo_id = %(repo)s AND status IN ('pending', 'running', 'waiting', 'paused')
            LIMIT %(open_flows)s
        ) live
    ) AS open_flows,
    -- How long until the limit-th newest flow is a minute old; no row where there are fewer.
    (
        SELECT extract(epoch FROM created_at + interval '1 minute' - clock_timestamp())::float8
        FROM flows_flow
        WHERE repo_id = %(repo)s AND created_at > clock_timestamp() - interval '1 minute'
        ORDER BY created_at DESC
        OFFSET %(flows_minute)s::bigint - 1 LIMIT 1
    ) AS seconds_until_flow,
    -- What is kept once for several repos counts for the one that brought it.
    (SELECT COALESCE(sum(size), 0)::bigint FROM flows_blob WHERE repo_id = %(repo)s) AS stored_bytes,
    EXISTS (SELECT 1 FROM flows_blob WHERE sha256 = %(snapshot)s) AS snapshot_is_kept;
