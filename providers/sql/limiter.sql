-- The calls of the limiter's functions, which sql/functions.sql has.

-- name: acquire_reservation
-- Reserve for one call, or say what denies it, inside the caller's transaction. A NULL call asks without reserving.
SELECT outcome, until, reservations_only, used, answered_call, asked_at
FROM provider_acquire(
    -- The call: a hard bound of its tokens and its price, and how long its lease lasts.
    %(call)s::uuid, %(provider)s::text, %(model)s::text, %(tokens)s::bigint, %(nano_usd)s::bigint,
    %(lease_seconds)s::float8,
    -- The limits in force.
    %(tokens_day)s::bigint, %(tokens_minute)s::bigint, %(requests_minute)s::bigint, %(concurrency)s::bigint,
    %(nano_day)s::bigint, %(pause_tokens)s::bigint, %(probe_refusals)s::int,
    -- On whose behalf the call is made.
    %(repo)s::text, %(stage_kind)s::text, %(flow)s::text, %(stage)s::bigint, %(attempt)s::bigint, %(digest)s::text,
    %(fallback_from)s::text,
    -- What its repo may use in 24 hours; NULL: as much as the others leave.
    %(repo_tokens)s::bigint, %(repo_nano)s::bigint
);

-- name: acquire_reservation_durably
-- The same, on the disk when it returns. The procedure commits halfway, so no transaction may be open.
CALL provider_acquire_durably(
    -- The call.
    %(call)s::uuid, %(provider)s::text, %(model)s::text, %(tokens)s::bigint, %(nano_usd)s::bigint,
    %(lease_seconds)s::float8,
    -- The limits in force.
    %(tokens_day)s::bigint, %(tokens_minute)s::bigint, %(requests_minute)s::bigint, %(concurrency)s::bigint,
    %(nano_day)s::bigint, %(pause_tokens)s::bigint, %(probe_refusals)s::int,
    -- On whose behalf the call is made.
    %(repo)s::text, %(stage_kind)s::text, %(flow)s::text, %(stage)s::bigint, %(attempt)s::bigint, %(digest)s::text,
    %(fallback_from)s::text,
    -- What its repo may use in 24 hours; NULL: as much as the others leave.
    %(repo_tokens)s::bigint, %(repo_nano)s::bigint,
    -- The results: outcome, until, reservations_only, used, answered_call, asked_at.
    NULL, NULL, NULL, NULL, NULL, NULL
);

-- name: settle_reservation
-- End one reservation; false if it had ended before.
SELECT provider_settle(
    -- What was used, and what the provider said.
    %(call)s::uuid, %(provider)s::text, %(status)s::text, %(tokens)s::bigint[], %(usd)s::numeric, %(price)s::jsonb,
    %(error_code)s::text, %(error_message)s::text, %(latency_ms)s::int,
    -- What the end says about the provider's health, and the breaker's policy.
    %(health)s::int, %(pause_seconds)s::float8, %(opening_score)s::int, %(failure_points)s::int,
    %(first_pause)s::int, %(longest_pause)s::int,
    -- The raw response and the answer; NULL leaves what is stored.
    %(response)s::jsonb, %(answer)s::jsonb,
    -- Where the tokens come from, and which model answered.
    %(usage_source)s::text, %(answered_by)s::text
) AS changed;

-- name: lower_charge
-- Lower what an open or unknown call is charged; false if nothing is lower or the call has ended otherwise.
SELECT provider_lower_charge(
    %(call)s::uuid, %(provider)s::text, %(tokens)s::bigint, %(nano_usd)s::bigint, %(usage_source)s::text
) AS changed;
