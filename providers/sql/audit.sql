-- name: read_charges
-- What each call of the last 25 hours is charged, with its hour and second; of one provider or repo, or of all for NULL.
SELECT
    provider_hour(created_at) AS hour,
    provider_second(created_at) AS second,
    provider_charged_tokens(c) AS tokens,
    provider_charged_nano(c) AS nano
FROM providers_providercall c
WHERE (%(provider)s::text IS NULL OR provider = %(provider)s::text)
    AND (%(repo)s::text IS NULL OR repo = %(repo)s::text)
    -- The windows end with the newest hour of the counters, which a clock that ran ahead may have set.
    AND created_at >= to_timestamp((%(head_hour)s::bigint - 24) * 3600);
