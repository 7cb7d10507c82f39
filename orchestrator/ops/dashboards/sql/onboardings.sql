-- What dashboards, reports and the exporter say of onboardings.

-- name: sum_onboardings
-- By day (UTC): the repos that became ready, how long we worked on them, and how long their leads took.
WITH ready AS (
    -- What is not ready yet has no time that could be told.
    SELECT r.id, r.created_at, r.decided_at, r.ready_at, (r.ready_at AT TIME ZONE 'UTC')::date AS day
    FROM onboarding_onboardingrequest r
    WHERE r.ready_at IS NOT NULL
        AND (%(repos)s::text[] IS NULL OR r.repo_name = ANY(%(repos)s::text[]))
), timed AS (
    -- A step keeps the time of its first attempt, so what people did between two of them counts as work.
    SELECT ready.*,
        min(s.started_at) FILTER (WHERE s.name = 'lead_approved' AND s.kind = 'check') AS asked_at,
        min(s.started_at) FILTER (WHERE s.kind = 'provision') AS begun_at
    FROM ready JOIN onboarding_onboardingstep s ON s.request_id = ready.id
    GROUP BY ready.id, ready.created_at, ready.decided_at, ready.ready_at, ready.day
)
SELECT day,
    count(*)::bigint AS ready,
    -- The checks before the question, and the set-up: neither the wait for the lead nor for the day.
    coalesce(sum(extract(epoch FROM (asked_at - created_at) + (ready_at - begun_at))), 0)::float8 AS work_seconds,
    -- Who has said yes before being asked has taken no time.
    coalesce(sum(greatest(0, extract(epoch FROM decided_at - asked_at))), 0)::float8 AS approval_seconds
FROM timed
WHERE (%(first)s::date IS NULL OR day >= %(first)s::date) AND (%(last)s::date IS NULL OR day <= %(last)s::date)
GROUP BY day
ORDER BY day

-- name: count_under_way
-- Count the requests that have one of these statuses now.
SELECT status, count(*)::bigint AS requests
FROM onboarding_onboardingrequest
WHERE status = ANY(%(statuses)s::text[])
    AND (%(repos)s::text[] IS NULL OR repo_name = ANY(%(repos)s::text[]))
GROUP BY status
ORDER BY status
