-- What the clock finds by looking.

-- name: find_due_steps
-- Find steps that may run now: the status of their request is the one in which their kind runs, all before them have passed, and
-- their pause is over. Nothing is locked: a claim looks again.
SELECT st.id
FROM onboarding_onboardingstep st JOIN onboarding_onboardingrequest r ON r.id = st.request_id
WHERE st.status IN ('pending', 'waiting')
    AND (%(request)s::bigint IS NULL OR st.request_id = %(request)s)
    AND r.status = CASE st.kind WHEN 'check' THEN 'checking' WHEN 'provision' THEN 'provisioning'
        ELSE 'offboarding' END
    -- A step that waits for a callback alone has no time, and is due when it is woken.
    AND (st.status = 'pending' AND st.not_before IS NULL OR st.not_before <= clock_timestamp())
    AND NOT EXISTS (
        SELECT 1 FROM onboarding_onboardingstep e
        WHERE e.request_id = st.request_id AND e.kind = st.kind AND e.position < st.position
            AND e.status NOT IN ('passed', 'skipped')
    )
ORDER BY st.not_before NULLS FIRST, st.id
LIMIT %(limit)s;

-- name: find_lost_steps
-- Find running steps whose lease has run out. Nothing is locked: take_back_step looks again.
SELECT id, request_id, token
FROM onboarding_onboardingstep
WHERE status = 'running' AND lease_until < clock_timestamp()
ORDER BY lease_until
LIMIT 100;

-- name: take_back_step
-- Take a step from a lost worker; no row where its lease is live again, or it has finished. From the second
-- loss on it pauses, so that a step which ends its worker does not end one after the other at once.
UPDATE onboarding_onboardingstep
SET status = CASE WHEN crashes + 1 >= %(most)s THEN 'errored' ELSE 'pending' END,
    crashes = crashes + 1, token = NULL, lease_until = NULL, reason = %(reason)s,
    not_before = CASE WHEN crashes > 0 THEN
        clock_timestamp() + make_interval(secs => %(pause)s * power(2, crashes - 1)) END,
    finished_at = CASE WHEN crashes + 1 >= %(most)s THEN clock_timestamp() END
WHERE id = %(step)s AND token = %(token)s AND status = 'running' AND lease_until < clock_timestamp()
RETURNING name, kind, status, crashes;
