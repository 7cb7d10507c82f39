-- Claiming a step and keeping it. Locks are taken in the order request, then step.

-- name: claim_step
-- Make a step run under a token and a lease; no row if another worker was first or it may not run now.
WITH r AS (
    -- Lock the request. PostgreSQL reads a locked row again in its newest version, so a cancel counts.
    SELECT id, status
    FROM onboarding_onboardingrequest
    WHERE id = (SELECT request_id FROM onboarding_onboardingstep WHERE id = %(step)s)
    FOR NO KEY UPDATE
)
-- The compare-and-set: of two claims only one finds the step free.
UPDATE onboarding_onboardingstep st
SET status = 'running', token = %(token)s, worker = %(worker)s, attempt = st.attempt + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
    started_at = COALESCE(st.started_at, clock_timestamp()), not_before = NULL, wake_asked = false
FROM r
WHERE st.id = %(step)s AND st.request_id = r.id AND st.status IN ('pending', 'waiting')
    AND r.status = CASE st.kind WHEN 'check' THEN 'checking' WHEN 'provision' THEN 'provisioning'
        ELSE 'offboarding' END
    AND (st.status = 'pending' AND st.not_before IS NULL OR st.not_before <= clock_timestamp())
    -- What has passed stays so. A step before this one that passes at this moment is not seen yet, and its
    -- worker sends this step again.
    AND NOT EXISTS (
        SELECT 1 FROM onboarding_onboardingstep e
        WHERE e.request_id = st.request_id AND e.kind = st.kind AND e.position < st.position
            AND e.status NOT IN ('passed', 'skipped')
    )
RETURNING st.id, st.request_id, st.name, st.kind, st.attempt, st.troubles, st.token, st.started_at, st.outputs;

-- name: renew_lease
-- Extend the lease of a step whose attempt holds the token; no row if it has been taken over.
UPDATE onboarding_onboardingstep
SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE id = %(step)s AND token = %(token)s AND status = 'running'
RETURNING id;

-- name: add_to_log
-- Add a line to the log of a live attempt, and keep the newest 200.
UPDATE onboarding_onboardingstep st
SET log = (
    SELECT jsonb_agg(entry ORDER BY n)
    FROM (
        SELECT entry, n
        FROM jsonb_array_elements(
            st.log || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'line', %(line)s::text))
        ) WITH ORDINALITY AS x(entry, n)
        ORDER BY n DESC
        LIMIT 200
    ) AS newest
)
WHERE id = %(step)s AND token = %(token)s
RETURNING id;

-- name: keep_note
-- Keep what a live attempt wants to find again; no row if it has been taken over.
UPDATE onboarding_onboardingstep
SET outputs = %(note)s
WHERE id = %(step)s AND token = %(token)s AND status = 'running'
RETURNING id;
