-- How long stages take, from what the newest of them took. Read at most once a minute by each process.

-- name: measure_stages
-- Measure the newest attempts that passed, by kind of stage and the model that it asked, and once more over all
-- models of a kind: the median and the 95th percentile, in seconds.
WITH newest AS (
    -- At most 400 of a kind, and none of before last week: models and repos change.
    SELECT s.kind, a.id, a.stage_id, extract(epoch FROM a.finished_at - a.started_at)::float8 AS seconds,
        row_number() OVER (PARTITION BY s.kind ORDER BY a.id DESC) AS n
    FROM (
        -- The newest of all kinds by their ids: a busy week has millions.
        SELECT id, stage_id, outcome, started_at, finished_at FROM flows_attempt ORDER BY id DESC LIMIT 8000
    ) a JOIN flows_stage s ON s.id = a.stage_id
    WHERE a.outcome = 'passed' AND a.started_at > now() - interval '7 days'
), asked AS (
    -- By the name that it was asked under, which is the one in the settings of a flow.
    SELECT kind, seconds, (
        SELECT c.model FROM providers_providercall c
        WHERE c.stage_id = newest.stage_id AND c.attempt_id = newest.id AND c.status = 'settled'
        ORDER BY c.created_at LIMIT 1
    ) AS model
    FROM newest
    WHERE n <= 400
)
SELECT kind, COALESCE(model, '') AS model, GROUPING(model) = 1 AS of_all_models, count(*) AS stages,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
FROM asked
GROUP BY GROUPING SETS ((kind), (kind, model))
HAVING GROUPING(model) = 1 OR model IS NOT NULL AND count(*) >= %(least)s;

-- name: measure_models
-- Measure the newest calls, by kind of stage and model: median and 95th percentile in seconds, tokens of output
-- in a second.
WITH newest AS (
    -- At most 200 of each pair, and none of before last week.
    SELECT stage_kind AS kind, model, latency_ms / 1000.0 AS seconds,
        output_tokens + reasoning_tokens AS tokens,
        row_number() OVER (PARTITION BY stage_kind, model ORDER BY created_at DESC) AS n
    FROM providers_providerstate p
    CROSS JOIN LATERAL (
        -- Each provider's newest 3,000, by the index of calls by time: a busy week has millions.
        SELECT stage_kind, model, latency_ms, output_tokens, reasoning_tokens, created_at
        FROM providers_providercall c
        WHERE c.provider = p.provider AND c.status = 'settled' AND c.latency_ms IS NOT NULL
            AND c.created_at > now() - interval '7 days'
        ORDER BY c.created_at DESC
        LIMIT 3000
    ) AS call
)
SELECT kind, model,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95,
    COALESCE(sum(tokens) / NULLIF(sum(seconds), 0), 0)::float8 AS tokens_per_second
FROM newest
WHERE n <= 200
GROUP BY kind, model;
