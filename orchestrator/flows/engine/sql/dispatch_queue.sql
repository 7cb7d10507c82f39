-- The stage table as the outbox of messages. Only the leading dispatcher runs these.
--
-- Statistics of a quiet hour say that one stage is live, and they are old when thousands are. A plan would then read
-- every live stage for each one that is named, by a partial index. So what is named by its id is asked for its status
-- as st.status || '', which leaves the primary key.

-- name: has_live_stages
-- Say whether any stage is ready, runs or waits: all that a service at rest is asked. One question for each
-- partial index, because an OR inside one question would read the whole table.
SELECT EXISTS (SELECT 1 FROM flows_stage WHERE status = 'ready' AND sent_at IS NULL)
    OR EXISTS (SELECT 1 FROM flows_stage WHERE status = 'ready' AND sent_at IS NOT NULL)
    OR EXISTS (SELECT 1 FROM flows_stage WHERE status = 'running')
    OR EXISTS (SELECT 1 FROM flows_stage WHERE status = 'waiting') AS yes;

-- name: find_untagged_stages
-- Find unsent stages of a queue that have no virtual time yet, oldest first.
SELECT st.id, st.queue, fl.repo_id, fl.priority
FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NULL AND st.fair_tag = 0
ORDER BY st.id
LIMIT %(limit)s;

-- name: write_fair_tags
-- Write virtual times, unless a stage was sent or cancelled meanwhile.
WITH free AS (
    -- It holds many stages and no flow, so it waits for none: what is locked gets its time at the next look.
    SELECT st.id, t.tag
    FROM unnest(%(ids)s::bigint[], %(tags)s::float8[]) AS t(id, tag) JOIN flows_stage st ON st.id = t.id
    WHERE st.status || '' = 'ready' AND st.sent_at IS NULL
    FOR NO KEY UPDATE OF st SKIP LOCKED
)
UPDATE flows_stage st SET fair_tag = free.tag FROM free WHERE st.id = free.id;

-- name: read_last_tags
-- Read the virtual times that wait, for a new leader: the newest and the oldest of every repo and priority.
SELECT fl.repo_id, fl.priority, max(st.fair_tag) AS newest, min(st.fair_tag) AS oldest
FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NULL AND st.fair_tag <> 0
GROUP BY 1, 2;

-- name: count_outstanding
-- Count the stages of a queue that are in the broker or running. Two counts, because each uses an index of
-- its own.
SELECT (SELECT count(*) FROM flows_stage WHERE queue = %(queue)s AND status = 'ready' AND sent_at IS NOT NULL)
    + (SELECT count(*) FROM flows_stage WHERE queue = %(queue)s AND status = 'running') AS n;

-- name: take_next_stages
-- Mark the next stages of a queue as sent, in fair order.
WITH next AS (
    -- What is locked is skipped: a flow that is being paused or cancelled right now is looked at again next
    -- time. By what the flow is not, for the reason above: nothing is ready of one that has ended.
    SELECT st.id
    FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NULL AND st.fair_tag <> 0
        AND fl.status NOT IN ('paused', 'passed', 'failed', 'cancelled')
    ORDER BY st.fair_tag, st.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    -- Asked again: the stage may have changed before the flow's lock was taken.
    UPDATE flows_stage st SET sent_at = clock_timestamp(), sends = st.sends + 1
    FROM next WHERE st.id = next.id AND st.status || '' = 'ready' AND st.sent_at IS NULL
    RETURNING st.id, st.flow_id, st.queue, st.fair_tag
)
SELECT id, flow_id, queue, fair_tag FROM s ORDER BY fair_tag, id;

-- name: take_lost_stages
-- Mark stages as sent again whose message seems lost.
WITH stale AS (
    -- Where the broker's queue is empty, a message that is not claimed soon is lost. Otherwise it may wait
    -- its turn, so the pause doubles with every send, up to ten minutes. A stage that is being claimed is
    -- locked and skipped.
    SELECT st.id
    FROM flows_stage st
    WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NOT NULL
        AND st.sent_at < statement_timestamp() - make_interval(secs => CASE
            WHEN %(drained)s THEN %(quick)s
            ELSE LEAST(%(base)s * 2 ^ LEAST(st.sends - 1, 10), 600)
        END)
    ORDER BY st.sent_at
    LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE flows_stage st
SET sent_at = clock_timestamp(), sends = st.sends + 1
FROM stale WHERE st.id = stale.id
RETURNING st.id, st.flow_id;

-- name: forget_sent_stages
-- Count nothing as sent: the broker has lost everything.
WITH free AS (
    -- What is locked is being claimed, or sent again, or its message counts as lost a moment later.
    SELECT id FROM flows_stage WHERE status = 'ready' AND sent_at IS NOT NULL
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE flows_stage st SET sent_at = NULL, sends = 0 FROM free WHERE st.id = free.id;

-- name: publish_full_queues
-- Write which queues are full, and until when that counts: a leader that dies must not keep a queue closed.
INSERT INTO flows_queueload (queue, full_until)
SELECT q, now() + make_interval(secs => %(seconds)s) FROM unnest(%(full)s::text[]) q
UNION ALL
SELECT q, NULL FROM unnest(%(open)s::text[]) q
ON CONFLICT (queue) DO UPDATE SET full_until = EXCLUDED.full_until;
