-- Repair rounds: stages that run again behind those that rejected the block. Each runs under the flow's lock.

-- name: store_repair_request
-- Keep what a stage found and which stages it asked for, so that a retry can grant one more round.
WITH asked AS (
    -- On the flow's row, because every finish reads that row in its newest version.
    UPDATE flows_flow SET repair_asked = true WHERE id = %(flow)s
)
UPDATE flows_stage SET output = %(output)s, repair = %(repair)s WHERE id = %(stage)s;

-- name: list_stages
-- List the stages of a flow in order, with what decides about a round.
SELECT id, position, kind, round, queue, status, repair, needs IS NULL AS in_line, needs_left, started_at
FROM flows_stage
WHERE flow_id = %(flow)s
ORDER BY position;

-- name: shift_later_stages
-- Make room for the round. The unique key on flow and position is checked at the commit, so one update may
-- shift them all.
UPDATE flows_stage
SET position = position + %(by)s
WHERE flow_id = %(flow)s AND position > %(position)s;

-- name: insert_repair_round
-- Insert the stages of a round in order; the first is ready, and counts as sent where its queue has room.
WITH answered AS (
    -- The round answers every request that is open.
    UPDATE flows_flow SET repair_asked = false WHERE id = %(flow)s
), room AS (
    -- A full queue is left to the dispatcher, which sends in fair order.
    SELECT %(sendable)s AND NOT EXISTS (
        SELECT 1 FROM flows_queueload q WHERE q.queue = (%(queues)s::text[])[1] AND q.full_until > now()
    ) AS yes
), ids AS MATERIALIZED (
    -- Taken here, because a stage names those that it needs by their ids.
    SELECT n, nextval('flows_stage_id_seq') AS id FROM generate_series(1, cardinality(%(kinds)s::text[])) n
)
INSERT INTO flows_stage (
    id, flow_id, position, kind, round, queue, needs, needs_left, status, ready_at, sent_at, sends, feedback
)
SELECT ids.id, %(flow)s, %(position)s + t.n, t.kind, %(round)s, t.queue,
    -- The first needs those that asked for it, which have ended.
    CASE t.n WHEN 1 THEN %(asked)s::bigint[] ELSE ARRAY(
        SELECT o.id FROM unnest(%(needing)s::int[], %(needed)s::int[]) AS edge(needing, needed)
        JOIN ids o ON o.n = edge.needed
        WHERE edge.needing = t.n
        ORDER BY o.n
    ) END,
    t.needs_left,
    CASE t.n WHEN 1 THEN 'ready' ELSE 'pending' END,
    CASE t.n WHEN 1 THEN clock_timestamp() END,
    CASE WHEN t.n = 1 AND room.yes THEN clock_timestamp() END,
    CASE WHEN t.n = 1 AND room.yes THEN 1 ELSE 0 END,
    %(feedback)s
FROM room
CROSS JOIN unnest(%(kinds)s::text[], %(queues)s::text[], %(needs_left)s::int[])
    WITH ORDINALITY AS t(kind, queue, needs_left, n)
JOIN ids ON ids.n = t.n
ORDER BY t.n
RETURNING id, kind, queue, status, sent_at;

-- name: redirect_needs
-- Let the stages that are still to come, or that a retry brings back, need the stages of the round in place
-- of those that they replace.
UPDATE flows_stage st
SET needs = fresh.needs,
    needs_left = (
        SELECT count(*) FROM flows_stage n WHERE n.id = ANY(fresh.needs) AND n.status <> 'passed'
    )
FROM (
    SELECT w.id, array_agg(COALESCE(pair.fresh, need.id) ORDER BY need.place) AS needs
    FROM flows_stage w
    CROSS JOIN LATERAL unnest(w.needs) WITH ORDINALITY AS need(id, place)
    LEFT JOIN unnest(%(replaced)s::bigint[], %(fresh)s::bigint[]) AS pair(old, fresh) ON pair.old = need.id
    WHERE w.flow_id = %(flow)s AND w.status IN ('pending', 'skipped') AND w.id <> ALL(%(replaced)s::bigint[])
        AND w.id <> ALL(%(fresh)s::bigint[])
    GROUP BY w.id
) fresh
WHERE st.id = fresh.id AND st.needs && %(replaced)s::bigint[];
