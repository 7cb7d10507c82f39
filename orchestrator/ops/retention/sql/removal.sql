-- Statements of orchestrator/ops/retention/removal.py. Each takes the next flows in the order of their ends, from the
-- index flow_finished, and moves the mark of its kind in the same statement: a batch is done as a whole, or not at all.
-- A flow that is retried gets a new end, and its turn again.

-- name: remove_events
-- Remove what happened to the stages of ended flows. Events of the flow itself stay: the days are counted from them.
WITH m AS (
    -- Two runs at once take turns, and the second begins where the first has ended.
    SELECT finished_at, flow FROM retention_retentionmark WHERE kind = 'events' FOR UPDATE
), due AS (
    -- The next flows by their end and id, which together are in one order also where many end at once.
    SELECT f.id, f.finished_at
    FROM flows_flow f
    WHERE f.finished_at >= coalesce((SELECT finished_at FROM m), '-infinity')
        AND (f.finished_at, f.id)
            > (coalesce((SELECT finished_at FROM m), '-infinity'), coalesce((SELECT flow FROM m), ''))
        AND f.finished_at < now() - make_interval(days => %(days)s)
    ORDER BY f.finished_at, f.id
    LIMIT %(flows)s
), moved AS (
    -- Up to the last of them.
    INSERT INTO retention_retentionmark (kind, finished_at, flow)
    SELECT 'events', finished_at, id FROM due ORDER BY finished_at DESC, id DESC LIMIT 1
    ON CONFLICT (kind) DO UPDATE SET finished_at = excluded.finished_at, flow = excluded.flow
), gone AS (
    -- By the index of a follower: the events of a flow.
    DELETE FROM flows_flowevent e USING due WHERE e.flow_id = due.id AND e.kind NOT LIKE 'flow.%%' RETURNING 1
)
SELECT (SELECT count(*) FROM due) AS flows, (SELECT count(*) FROM gone) AS rows

-- name: remove_answers
-- Empty the answers of models in the ledger of ended flows. Tokens, prices and costs stay.
WITH m AS (
    -- Two runs at once take turns, and the second begins where the first has ended.
    SELECT finished_at, flow FROM retention_retentionmark WHERE kind = 'answers' FOR UPDATE
), due AS (
    -- The next flows by their end and id, which together are in one order also where many end at once.
    SELECT f.id, f.finished_at
    FROM flows_flow f
    WHERE f.finished_at >= coalesce((SELECT finished_at FROM m), '-infinity')
        AND (f.finished_at, f.id)
            > (coalesce((SELECT finished_at FROM m), '-infinity'), coalesce((SELECT flow FROM m), ''))
        AND f.finished_at < now() - make_interval(days => %(days)s)
    ORDER BY f.finished_at, f.id
    LIMIT %(flows)s
), moved AS (
    -- Up to the last of them.
    INSERT INTO retention_retentionmark (kind, finished_at, flow)
    SELECT 'answers', finished_at, id FROM due ORDER BY finished_at DESC, id DESC LIMIT 1
    ON CONFLICT (kind) DO UPDATE SET finished_at = excluded.finished_at, flow = excluded.flow
), gone AS (
    -- The columns that hold nearly all of a call's bytes.
    UPDATE providers_providercall c
    SET response = NULL, answer = NULL
    FROM due
    -- Of a call that is still open somebody waits for the answer.
    WHERE c.flow_id = due.id AND c.settled_at IS NOT NULL AND (c.response IS NOT NULL OR c.answer IS NOT NULL)
    RETURNING 1
)
SELECT (SELECT count(*) FROM due) AS flows, (SELECT count(*) FROM gone) AS rows

-- name: remove_files
-- Remove the files with which ended flows worked, and which are in no block and no evidence: the repo's files, the
-- context and the answers. Returns the digests whose bytes may have lost their last reference.
WITH m AS (
    -- Two runs at once take turns, and the second begins where the first has ended.
    SELECT finished_at, flow FROM retention_retentionmark WHERE kind = 'files' FOR UPDATE
), due AS (
    -- The next flows by their end and id, which together are in one order also where many end at once.
    SELECT f.id, f.finished_at, f.snapshot_id
    FROM flows_flow f
    WHERE f.finished_at >= coalesce((SELECT finished_at FROM m), '-infinity')
        AND (f.finished_at, f.id)
            > (coalesce((SELECT finished_at FROM m), '-infinity'), coalesce((SELECT flow FROM m), ''))
        AND f.finished_at < now() - make_interval(days => %(days)s)
    ORDER BY f.finished_at, f.id
    LIMIT %(flows)s
    -- A retry of one of them waits, and is then refused; one that was first takes its flow out of here.
    FOR NO KEY UPDATE
), moved AS (
    -- Up to the last of them.
    INSERT INTO retention_retentionmark (kind, finished_at, flow)
    SELECT 'files', finished_at, id FROM due ORDER BY finished_at DESC, id DESC LIMIT 1
    ON CONFLICT (kind) DO UPDATE SET finished_at = excluded.finished_at, flow = excluded.flow
), emptied AS (
    -- Where it was cloned from stays in its column.
    UPDATE flows_flow f SET snapshot_id = NULL FROM due WHERE f.id = due.id AND f.snapshot_id IS NOT NULL
), gone AS (
    -- Evidence and the block's own files have other kinds.
    DELETE FROM flows_artifact a USING due
    WHERE a.flow_id = due.id AND a.kind IN ('bundle', 'answer')
    RETURNING a.blob_id
), freed AS (
    -- Perhaps: others may have the same bytes.
    SELECT blob_id AS sha256 FROM gone
    UNION
    SELECT snapshot_id FROM due WHERE snapshot_id IS NOT NULL
)
SELECT
    (SELECT count(*) FROM due) AS flows,
    (SELECT count(*) FROM gone) AS rows,
    coalesce((SELECT array_agg(sha256) FROM freed), '{}') AS freed

-- name: remove_bytes
-- Remove stored bytes that nothing refers to any more. Run under the lock of the table, in a statement of its own, so
-- that it sees every reference that was committed before the lock was had.
DELETE FROM flows_blob b
WHERE b.sha256 = ANY(%(freed)s::text[])
    AND NOT EXISTS (SELECT FROM flows_artifact a WHERE a.blob_id = b.sha256)
    AND NOT EXISTS (SELECT FROM flows_flow f WHERE f.snapshot_id = b.sha256)
    AND NOT EXISTS (SELECT FROM flows_block k WHERE k.manifest_id = b.sha256)
RETURNING b.size

-- name: find_next
-- The next flow that ended so long ago that something of it is due; no row where there is none. In the order of the ends,
-- so that the index answers by its first entry.
SELECT f.id
FROM flows_flow f
WHERE f.finished_at
        >= coalesce((SELECT finished_at FROM retention_retentionmark WHERE kind = %(kind)s), '-infinity')
    AND (f.finished_at, f.id) > (
        coalesce((SELECT finished_at FROM retention_retentionmark WHERE kind = %(kind)s), '-infinity'),
        coalesce((SELECT flow FROM retention_retentionmark WHERE kind = %(kind)s), '')
    )
    AND f.finished_at < now() - make_interval(days => %(days)s)
ORDER BY f.finished_at, f.id
LIMIT 1
