-- Statements of orchestrator/ops/observability/adoption_metrics.py.

-- name: count_repos
-- Count repos by phase and by whether they are enabled.
SELECT phase, CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END AS state, count(*) AS repos
FROM repos
GROUP BY 1, 2

-- name: count_drifted
-- Count repos whose last nightly plan of Terraform found a difference; a row without a plan has an empty list.
SELECT count(*) AS drifted
FROM onboarding_terraformstate
WHERE drift <> '[]'::jsonb
