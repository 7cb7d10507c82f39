-- Statements of orchestrator/ops/incidents/diagnosis.py.

-- name: count_by_dimension
-- Flows that ended in a window, and how many of them failed, by each value of each dimension. At most %(most)s flows, the
-- newest: an incident must be diagnosed in seconds however large the deployment is.
WITH ended AS MATERIALIZED (
    -- What ended, once: every dimension below counts the same flows.
    SELECT fl.id, r.repo_name, fl.block_family, fl.error_code, fl.created_at, (fl.status = 'failed')::int AS failed
    FROM flows_flow fl JOIN repos r ON r.id = fl.repo_id
    -- A cancelled flow says nothing about what works.
    WHERE fl.finished_at > %(since)s AND fl.finished_at <= %(until)s AND fl.status IN ('passed', 'failed')
    ORDER BY fl.finished_at DESC
    LIMIT %(most)s
), used AS (
    -- Each model that a flow has called, once.
    SELECT DISTINCT e.id, c.model, e.failed
    FROM ended e JOIN providers_providercall c ON c.flow_id = e.id
), stopped AS (
    -- The stage that a flow failed in.
    SELECT DISTINCT e.id, st.kind
    FROM ended e JOIN flows_stage st ON st.flow_id = e.id
    WHERE e.failed = 1 AND st.status = 'failed'
), deployed AS (
    -- The version that ran when the flow was created.
    SELECT e.id, e.failed, v.version
    FROM ended e CROSS JOIN LATERAL (
        SELECT d.version FROM incidents_deployedversion d WHERE d.since <= e.created_at ORDER BY d.since DESC LIMIT 1
    ) v
)
SELECT '' AS dimension, '' AS value, coalesce(sum(failed), 0) AS failed, count(*) AS ended FROM ended
UNION ALL SELECT 'repo', repo_name, sum(failed), count(*) FROM ended GROUP BY repo_name
UNION ALL SELECT 'family', block_family, sum(failed), count(*) FROM ended WHERE block_family <> '' GROUP BY block_family
UNION ALL SELECT 'model', model, sum(failed), count(*) FROM used GROUP BY model
UNION ALL SELECT 'deploy', version, sum(failed), count(*) FROM deployed GROUP BY version
-- Of these two only failures have a value, so there is nothing to compare them with.
UNION ALL SELECT 'stage', kind, count(*), NULL FROM stopped GROUP BY kind
UNION ALL SELECT 'error', error_code, sum(failed), NULL FROM ended WHERE failed = 1 GROUP BY error_code;
