-- Statements of orchestrator/ops/observability/metrics.py. Each costs one row for a set of labels, however many
-- flows and calls there are.

-- name: count_flow_ends
-- Count how often flows of each repo and family passed, failed and were cancelled.
SELECT
    r.repo_name,
    f.block_family,
    count(*) FILTER (WHERE e.kind = 'flow.passed') AS passed,
    count(*) FILTER (WHERE e.kind = 'flow.failed') AS failed,
    count(*) FILTER (WHERE e.kind = 'flow.cancelled') AS cancelled
FROM flows_flow f
JOIN repos r ON r.id = f.repo_id
-- A left join: a pair whose flows have not ended yet is sent with zeros.
LEFT JOIN flows_flowevent e
    ON e.flow_id = f.id AND e.kind IN ('flow.passed', 'flow.failed', 'flow.cancelled')
GROUP BY 1, 2

-- name: sum_provider_calls
-- Count the calls of each provider, model, repo and status, and add up their tokens and USD.
SELECT
    provider,
    model,
    repo,
    status,
    count(*) AS calls,
    sum(input_tokens) AS input,
    -- The vendors price reads and writes of a cache apart; this metric only shows that a cache was used.
    sum(cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens) AS cached,
    sum(output_tokens) AS output,
    sum(reasoning_tokens) AS reasoning,
    sum(cost_usd) AS usd
FROM providers_providercall
GROUP BY 1, 2, 3, 4

-- name: count_live_stages
-- Count the stages of each queue and status that have not ended, with the age in seconds of the oldest.
SELECT
    queue,
    status,
    count(*) AS stages,
    -- A stage with neither time counts as new.
    extract(epoch FROM now() - min(coalesce(waiting_since, ready_at, now()))) AS age
FROM flows_stage
WHERE status IN ('ready', 'running', 'waiting')
GROUP BY 1, 2
