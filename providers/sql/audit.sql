-- name: read_provider_charges
-- What the calls of a provider are charged by hour, those of the last minute by second too: calls of the last 25 hours.
SELECT
    provider_hour(created_at) AS hour,
    CASE WHEN provider_second(created_at) >= %(first_second)s::bigint THEN provider_second(created_at) END AS second,
    sum(provider_charged_tokens(c))::bigint AS tokens,
    count(*) AS calls
FROM providers_providercall c
WHERE provider = %(provider)s
    -- The windows end with the newest hour of the counters, which a clock that ran ahead may have set.
    AND created_at >= to_timestamp((%(head_hour)s::bigint - 24) * 3600)
    -- Two bounds, of which one would do: of a range the planner expects few rows, and takes the index.
    AND created_at < to_timestamp((%(head_hour)s::bigint + 1) * 3600)
GROUP BY 1, 2;

-- name: read_uses
-- The counters of each repo and of the daily budget, whose repo is NULL, and what the ledger charges by hour: as of one
-- moment, because it is one statement, so nothing is locked meanwhile. What had no call for more than idle_hours is left
-- out: its counters move with its calls only.
WITH hourly AS (
    -- What the ledger charges each repo by hour.
    SELECT
        c.repo,
        provider_hour(c.created_at) AS hour,
        sum(provider_charged_tokens(c))::bigint AS tokens,
        sum(provider_charged_nano(c))::bigint AS nano
    -- From the providers to their calls: the index of calls by time begins with the provider.
    FROM providers_providerstate p
    JOIN providers_providercall c ON c.provider = p.provider
    -- A window ends with its newest hour, idle_hours ago at the earliest, and is a day long. The clock is read once: a
    -- condition on it for each row could not use the index.
    WHERE c.created_at >= to_timestamp(
            ((SELECT provider_hour(provider_now())) - 25 - %(idle_hours)s::bigint) * 3600
        )
        AND c.created_at < to_timestamp(((SELECT max(head_hour) FROM providers_budgetstate) + 1) * 3600)
    GROUP BY 1, 2
), uses AS (
    -- What the counters say.
    SELECT repo, head_hour, day_tokens, hour_tokens, day_nano, hour_nano FROM providers_repouse
    UNION ALL
    SELECT NULL, head_hour, NULL, NULL, day_nano, hour_nano FROM providers_budgetstate
)
SELECT
    u.repo,
    u.head_hour,
    u.day_tokens,
    u.hour_tokens,
    u.day_nano,
    u.hour_nano,
    coalesce(array_agg(h.hour) FILTER (WHERE h.hour IS NOT NULL), '{}') AS hours,
    coalesce(array_agg(h.tokens) FILTER (WHERE h.hour IS NOT NULL), '{}') AS tokens,
    coalesce(array_agg(h.nano) FILTER (WHERE h.hour IS NOT NULL), '{}') AS nano
FROM uses u
LEFT JOIN hourly h ON u.repo IS NULL OR h.repo = u.repo
WHERE u.head_hour >= (SELECT provider_hour(provider_now())) - %(idle_hours)s::bigint
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1;
