-- Statements of orchestrator/ops/rollups/days.py.

-- name: lock_counting
-- Let one process count at a time; the lock ends with the transaction.
SELECT pg_try_advisory_xact_lock(%(lock)s) AS yes

-- name: find_bounds
-- The clock, when the first flow was made, and the newest day that is counted with how far it is.
SELECT
    clock_timestamp() AS now,
    -- Ids of flows sort by the time they were made, and nothing is counted before the first flow.
    (SELECT created_at FROM flows_flow ORDER BY id LIMIT 1) AS first_flow,
    (SELECT day FROM rollups_rollupday ORDER BY day DESC LIMIT 1) AS newest_day,
    (SELECT through FROM rollups_rollupday ORDER BY day DESC LIMIT 1) AS newest_through

-- name: find_day_to_count_again
-- The oldest day that was counted soon after it ended: calls and retries may have ended later.
SELECT day
FROM rollups_rollupday
-- Whole days only, in two looks: two hours and a day after the end.
WHERE through = (day + 1)::timestamp AT TIME ZONE 'UTC'
    AND (
        (counted_at < through + interval '2 hours' AND clock_timestamp() >= through + interval '2 hours')
        OR (counted_at < through + interval '1 day' AND clock_timestamp() >= through + interval '1 day')
    )
ORDER BY day
LIMIT 1

-- name: mark_day
-- Say how far a day is counted.
INSERT INTO rollups_rollupday (day, through, counted_at)
VALUES (%(day)s, %(through)s, clock_timestamp())
ON CONFLICT (day) DO UPDATE SET through = excluded.through, counted_at = excluded.counted_at
