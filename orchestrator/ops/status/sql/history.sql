-- Statements of orchestrator/ops/status/history.py.

-- name: add_minute
-- Add one look at a part to its day.
INSERT INTO status_partday AS known (day, part, minutes, degraded, down, looked_at)
VALUES (%(day)s, %(part)s, 1, %(degraded)s, %(down)s, %(now)s)
ON CONFLICT (day, part) DO UPDATE
SET minutes = known.minutes + 1,
    degraded = known.degraded + excluded.degraded,
    down = known.down + excluded.down,
    looked_at = excluded.looked_at
-- The task may come twice, and two workers may take it at once: a minute counts once.
WHERE known.looked_at <= excluded.looked_at - interval '30 seconds'
