-- Repair rounds: stages inserted behind the one that rejected the block. Each runs under the flow's lock.

-- name: store_repair_request
-- Keep what a stage found and which stages it asked for, so that a retry can grant one more round.
UPDATE flows_stage SET output = %(output)s, repair = %(repair)s WHERE id = %(stage)s;

-- name: read_repair_request
-- Read which stages a stage asked for, and where they belong.
SELECT id, position, round, repair FROM flows_stage WHERE id = %(stage)s;

-- name: shift_later_stages
-- Make room for the round. The unique key on flow and position is checked at the commit, so one update may
-- shift them all.
UPDATE flows_stage
SET position = position + %(by)s
WHERE flow_id = %(flow)s AND position > %(position)s;

-- name: insert_repair_round
-- Insert the stages of a round in order; the first is ready, and counts as sent where its queue has room.
WITH room AS (
    -- A full queue is left to the dispatcher, which sends in fair order.
    SELECT %(sendable)s AND NOT EXISTS (
        SELECT 1 FROM flows_queueload q WHERE q.queue = (%(queues)s::text[])[1] AND q.full_until > now()
    ) AS yes
)
INSERT INTO flows_stage (flow_id, position, kind, round, queue, status, ready_at, sent_at, sends, feedback)
SELECT %(flow)s, %(position)s + t.n, t.kind, %(round)s, t.queue,
    CASE t.n WHEN 1 THEN 'ready' ELSE 'pending' END,
    CASE t.n WHEN 1 THEN clock_timestamp() END,
    CASE WHEN t.n = 1 AND room.yes THEN clock_timestamp() END,
    CASE WHEN t.n = 1 AND room.yes THEN 1 ELSE 0 END,
    %(feedback)s
FROM room CROSS JOIN unnest(%(kinds)s::text[], %(queues)s::text[]) WITH ORDINALITY AS t(kind, queue, n)
ORDER BY t.n
RETURNING id, kind, queue, status, sent_at;
