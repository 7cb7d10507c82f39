-- Statements of orchestrator/core/outbox.py.

-- name: take_due_events
-- Take events that are due, and write before the attempt that it was made and when the event is due again.
-- A process that dies in the middle leaves an event that waits, never one that is due all the time.
WITH due AS (
    -- Two processes at once never wait for each other and never take the same row.
    SELECT id
    FROM core_outgoingevent
    WHERE due_at <= statement_timestamp()
        AND attempts < %(bound)s
        AND (%(only)s::bigint[] IS NULL OR id = ANY(%(only)s::bigint[]))
    ORDER BY due_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE core_outgoingevent event
-- The pause doubles with each attempt, up to the longest. attempts is still the number before this one.
SET attempts = event.attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => LEAST(%(first)s * 2 ^ event.attempts, %(longest)s))
FROM due
WHERE event.id = due.id
RETURNING event.id
