-- What Prometheus scrapes of onboarding.

-- name: count_requests
-- Count requests by phase and status. There are a few hundred.
SELECT phase, status, count(*) AS requests
FROM onboarding_onboardingrequest
GROUP BY phase, status;

-- name: measure_time_to_ready
-- The median time from submit to ready by phase. Of 30 days, because a rollout that was slow last year says
-- nothing about today.
SELECT phase,
    -- The wait for the lead and for the day is in it: it is what a team waits.
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ready_at - created_at)) AS seconds
FROM onboarding_onboardingrequest
WHERE ready_at > now() - interval '30 days'
GROUP BY phase;
