-- Statements of orchestrator/ops/reports/archive.py.

-- name: find_counted_day
-- The newest day that was counted at least two hours after it ended: calls and retries that ended late are in it.
SELECT day
FROM rollups_rollupday
-- Whole days only: the present one is counted again and again.
WHERE through = (day + 1)::timestamp AT TIME ZONE 'UTC' AND counted_at >= through + interval '2 hours'
ORDER BY day DESC
LIMIT 1
