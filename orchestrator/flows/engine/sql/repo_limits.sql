-- What the flows of one repo use, beside tokens and money.

-- name: measure_repo_use
-- Measure what a repo uses; the caller holds its lock. The bound keeps a long list cheap.
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT 1 FROM flows_flow
            WHERE repo_id = %(repo)s AND status IN ('pending', 'running', 'waiting', 'paused')
            LIMIT %(open_flows)s
        ) live
    ) AS open_flows,
    -- What is kept once for several repos counts for the one that brought it.
    (SELECT COALESCE(sum(size), 0)::bigint FROM flows_blob WHERE repo_id = %(repo)s) AS stored_bytes,
    EXISTS (SELECT 1 FROM flows_blob WHERE sha256 = %(snapshot)s) AS snapshot_is_kept;
