-- What a live attempt writes before it ends.

-- name: record_progress
-- Write an event of a live attempt; no row if it has been fenced.
WITH f AS (
    -- Flow before stage, as everywhere.
    SELECT id FROM flows_flow WHERE id = %(flow)s FOR NO KEY UPDATE
), s AS (
    -- The stage is locked too. A row that is only read shows what it was when the statement began, which may
    -- be before a cancel that held the flow's lock meanwhile; a locked row is read again.
    SELECT st.id, st.flow_id
    FROM f JOIN flows_stage st ON st.flow_id = f.id
    WHERE st.id = %(stage)s AND st.token = %(token)s AND st.status = 'running'
    FOR NO KEY UPDATE OF st
)
INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
SELECT s.flow_id, 'stage.progress', s.id, %(data)s, clock_timestamp()
FROM s
RETURNING id;
