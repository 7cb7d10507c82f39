-- The ends of an attempt other than a pass.

-- name: let_stage_wait
-- Let a stage wait without a worker, and return until when. A deadline later moves by the time since
-- waiting_since. After a failure the end of the pause is computed here, because the clock of a worker may be
-- wrong.
UPDATE flows_stage
SET status = 'waiting', token = NULL, lease_until = NULL,
    wait_reason = %(reason)s, waits_for = %(provider)s,
    wait_tokens = %(tokens)s, wait_nano_usd = %(nano_usd)s, failures = failures + %(failed)s,
    waiting_since = COALESCE(waiting_since, clock_timestamp()),
    not_before = COALESCE(%(until)s::timestamptz, clock_timestamp() + make_interval(secs => %(pause)s))
WHERE id = %(stage)s
RETURNING not_before;
