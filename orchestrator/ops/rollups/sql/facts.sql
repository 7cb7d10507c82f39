-- Statements of orchestrator/ops/rollups/facts.py: what a day has, counted from the rows themselves. Each counts what
-- was written from %(since)s on and before %(until)s. Without a beginning it counts from where the tables of days end,
-- and a reader adds the tables: one statement, so that it sees both as of one moment and counts nothing twice.

-- name: count_flows
-- Count flows by day, repo, family, outcome and the code of their error.
SELECT
    (e.created_at AT TIME ZONE 'UTC')::date AS day,
    r.repo_name AS repo,
    -- An end before the plan chose a family stays without one: counters must not fall.
    CASE WHEN e.kind <> 'flow.created' AND e.created_at < f.family_chosen_at THEN '' ELSE f.block_family END
        AS block_family,
    substr(e.kind, 6) AS outcome,
    CASE e.kind WHEN 'flow.failed' THEN coalesce(e.data ->> 'code', '') ELSE '' END AS error_code,
    count(*) AS flows,
    -- Only a flow that passed has an end that stays.
    coalesce(sum(extract(epoch FROM f.finished_at - f.created_at)) FILTER (WHERE e.kind = 'flow.passed'), 0)::float8
        AS seconds,
    coalesce(sum(f.cost_usd) FILTER (WHERE e.kind = 'flow.passed'), 0) AS usd,
    count(b.id) FILTER (WHERE e.kind = 'flow.passed') AS blocks,
    coalesce(sum(b.quality_score) FILTER (WHERE e.kind = 'flow.passed'), 0)::float8 AS quality,
    min(f.id) AS first_flow
FROM flows_flowevent e
JOIN flows_flow f ON f.id = e.flow_id
JOIN repos r ON r.id = f.repo_id
LEFT JOIN flows_block b ON b.flow_id = f.id
-- The same words as in the partial index on these events.
WHERE e.kind IN ('flow.created', 'flow.passed', 'flow.failed', 'flow.cancelled')
    AND e.created_at >= coalesce(
        %(since)s::timestamptz, (SELECT through FROM rollups_rollupday ORDER BY day DESC LIMIT 1), '-infinity'
    )
    AND e.created_at < coalesce(%(until)s::timestamptz, 'infinity')
GROUP BY 1, 2, 3, 4, 5

-- name: spread_flows
-- Count the flows that passed by day, repo, family and the bucket that their seconds and their USD fall into.
SELECT
    (e.created_at AT TIME ZONE 'UTC')::date AS day,
    r.repo_name AS repo,
    f.block_family,
    m.measure,
    coalesce(
        (SELECT min(bound) FROM unnest(m.bounds) AS bound WHERE bound >= m.value), 'infinity'
    )::float8 AS bound,
    count(*) AS flows
FROM flows_flowevent e
JOIN flows_flow f ON f.id = e.flow_id
JOIN repos r ON r.id = f.repo_id
CROSS JOIN LATERAL (
    -- Each flow has a place in two histograms.
    VALUES
        ('seconds', extract(epoch FROM f.finished_at - f.created_at), %(second_bounds)s::numeric[]),
        ('usd', f.cost_usd, %(usd_bounds)s::numeric[])
) AS m (measure, value, bounds)
WHERE e.kind IN ('flow.created', 'flow.passed', 'flow.failed', 'flow.cancelled') AND e.kind = 'flow.passed'
    AND e.created_at >= coalesce(
        %(since)s::timestamptz, (SELECT through FROM rollups_rollupday ORDER BY day DESC LIMIT 1), '-infinity'
    )
    AND e.created_at < coalesce(%(until)s::timestamptz, 'infinity')
GROUP BY 1, 2, 3, 4, 5

-- name: count_calls
-- Count calls and add up their tokens and USD, by the day on which they left, repo, family, provider and model:
-- the one that answered, by the provider's words, or the one that was asked where none did.
SELECT
    (c.created_at AT TIME ZONE 'UTC')::date AS day,
    c.repo,
    -- A call before the plan chose a family stays without one: counters must not fall.
    CASE WHEN c.created_at < f.family_chosen_at THEN '' ELSE coalesce(f.block_family, '') END AS block_family,
    c.provider,
    coalesce(nullif(c.answered_by, ''), c.model) AS model,
    count(*) FILTER (WHERE c.status = 'settled') AS settled,
    count(*) FILTER (WHERE c.status = 'released') AS released,
    count(*) FILTER (WHERE c.status = 'unknown') AS unknown,
    count(*) FILTER (WHERE c.error_code = ANY(%(outages)s::text[])) AS outages,
    sum(c.input_tokens) AS input_tokens,
    -- The vendors price reads and writes of a cache apart; here they only show that a cache was used.
    sum(c.cache_read_tokens + c.cache_write_5m_tokens + c.cache_write_1h_tokens) AS cached_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_tokens) AS reasoning_tokens,
    sum(c.cost_usd) AS usd
-- From the providers to their calls: the index of calls by time begins with the provider.
FROM providers_providerstate p
JOIN providers_providercall c ON c.provider = p.provider
-- The ledger keeps a plain id, and calls may have no flow. The limit has each flow looked up: the planner takes a day
-- for a far larger part of the calls, and would read every flow there is.
LEFT JOIN LATERAL (SELECT * FROM flows_flow WHERE id = c.flow_id LIMIT 1) f ON true
WHERE c.created_at >= coalesce(
        %(since)s::timestamptz, (SELECT through FROM rollups_rollupday ORDER BY day DESC LIMIT 1), '-infinity'
    )
    AND c.created_at < coalesce(%(until)s::timestamptz, 'infinity')
GROUP BY 1, 2, 3, 4, 5

-- name: count_gates
-- Count reports of gates by day, repo, family and gate.
SELECT
    (g.created_at AT TIME ZONE 'UTC')::date AS day,
    r.repo_name AS repo,
    f.block_family,
    g.gate,
    count(*) FILTER (WHERE g.verdict = 'passed') AS passed,
    count(*) FILTER (WHERE g.verdict = 'failed') AS failed,
    count(*) FILTER (WHERE g.verdict = 'errored') AS errored,
    count(*) FILTER (WHERE g.round = 1) AS first_tries,
    count(*) FILTER (WHERE g.round = 1 AND g.verdict = 'passed') AS first_passed,
    count(g.score) AS scored,
    coalesce(sum(g.score), 0)::float8 AS score
FROM flows_gateresult g
JOIN flows_flow f ON f.id = g.flow_id
JOIN repos r ON r.id = f.repo_id
WHERE g.created_at >= coalesce(
        %(since)s::timestamptz, (SELECT through FROM rollups_rollupday ORDER BY day DESC LIMIT 1), '-infinity'
    )
    AND g.created_at < coalesce(%(until)s::timestamptz, 'infinity')
GROUP BY 1, 2, 3, 4

-- name: count_starters
-- Count the flows that each person and token started, by day, repo and family.
SELECT
    (e.created_at AT TIME ZONE 'UTC')::date AS day,
    r.repo_name AS repo,
    f.block_family,
    f.created_by AS starter,
    count(*) AS flows
FROM flows_flowevent e
JOIN flows_flow f ON f.id = e.flow_id
JOIN repos r ON r.id = f.repo_id
WHERE e.kind IN ('flow.created', 'flow.passed', 'flow.failed', 'flow.cancelled') AND e.kind = 'flow.created'
    AND e.created_at >= coalesce(
        %(since)s::timestamptz, (SELECT through FROM rollups_rollupday ORDER BY day DESC LIMIT 1), '-infinity'
    )
    AND e.created_at < coalesce(%(until)s::timestamptz, 'infinity')
GROUP BY 1, 2, 3, 4
