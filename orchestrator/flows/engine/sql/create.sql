-- A new flow.

-- name: create_flow
-- Insert a flow, its stages, its snapshot and its first events, where its repo may have one more. Returns the
-- stages, each with what the repo has used; one row without a stage if nothing was inserted: the repo is switched
-- off, has used what it may, or the idempotency key is in use. The first stage counts as sent when its queue has room: if
-- this process dies before it sends, the dispatcher sends it again.
WITH use AS MATERIALIZED (
    -- What the repo uses; the caller holds its lock. Nothing is looked at where nothing is limited.
    SELECT
        CASE WHEN %(limited)s THEN (
            SELECT count(*)
            FROM (
                SELECT 1 FROM flows_flow
                WHERE repo_id = %(repo)s AND status IN ('pending', 'running', 'waiting', 'paused')
                LIMIT %(open_flows)s
            ) live
        ) END AS open_flows,
        -- How long until the limit-th newest flow is a minute old; no row where there are fewer. The condition
        -- has the time of the statement: the clock moves, so no index serves a condition on it.
        CASE WHEN %(limited)s THEN (
            SELECT extract(epoch FROM created_at + interval '1 minute' - clock_timestamp())::float8
            FROM flows_flow
            WHERE repo_id = %(repo)s AND created_at > statement_timestamp() - interval '1 minute'
            ORDER BY created_at DESC
            OFFSET %(flows_minute)s::bigint - 1 LIMIT 1
        ) END AS seconds_until_flow,
        -- Asked only for a flow that brings bytes which are not kept yet.
        CASE WHEN %(limited)s AND %(snapshot)s::text IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM flows_blob WHERE sha256 = %(snapshot)s::text)
        THEN (
            SELECT COALESCE(sum(size), 0)::bigint FROM flows_blob WHERE repo_id = %(repo)s
        ) END AS stored_bytes
), enabled AS MATERIALIZED (
    -- A repo that is switched off at this moment: the second of the two waits for the first. So a halt that has
    -- committed is followed by no new flow, and one that has not yet sees this flow among those it stops.
    SELECT id FROM repos WHERE id = %(repo)s AND enabled FOR SHARE
), f AS (
    -- The same idempotency key in the same repo inserts nothing; the caller then reads the flow that has it.
    -- The deadline counts from created_at, whose default is the start of this statement.
    INSERT INTO flows_flow (
        id, repo_id, flow_type, flow_type_version, block_family, feature_request, snapshot_id,
        settings, priority, created_by, idempotency_key, request_digest, trace_parent, nonce_seed,
        deadline_at
    )
    SELECT
        %(id)s, %(repo)s, %(flow_type)s, %(version)s, %(family)s, %(request)s, %(snapshot)s,
        %(settings)s, %(priority)s, %(created_by)s, %(key)s, %(digest)s, %(trace_parent)s, %(nonce_seed)s,
        statement_timestamp() + make_interval(secs => %(deadline)s)
    FROM use CROSS JOIN enabled
    WHERE COALESCE(use.open_flows, 0) < %(open_flows)s
        AND use.seconds_until_flow IS NULL
        AND COALESCE(use.stored_bytes + octet_length(%(packed)s::bytea), 0) <= %(stored_bytes)s
    ON CONFLICT (repo_id, idempotency_key) DO NOTHING
    RETURNING id, created_at, deadline_at
), b AS (
    -- The snapshot, once under its digest, and only with a flow that is new.
    INSERT INTO flows_blob (sha256, content, size, repo_id)
    SELECT %(snapshot)s::text, %(packed)s::bytea, octet_length(%(packed)s::bytea), %(repo)s FROM f
    WHERE %(snapshot)s::text IS NOT NULL
    ON CONFLICT DO NOTHING
), room AS (
    -- Whether the first stage may be sent now. What is in the broker counts too: a client that
    -- creates many flows at once is faster than the dispatcher's next report of the load.
    SELECT NOT EXISTS (
            SELECT 1 FROM flows_queueload q
            WHERE q.queue = (%(queues)s::text[])[1] AND q.full_until > now()
        )
        AND NOT EXISTS (
            SELECT 1 FROM flows_hold h
            WHERE h.scope = 'everything'
                OR h.scope = 'repo' AND h.target = %(repo_name)s
                OR h.scope = 'queue' AND h.target = (%(queues)s::text[])[1]
        )
        AND (
            SELECT count(*)
            FROM (
                SELECT 1 FROM flows_stage st
                WHERE st.queue = (%(queues)s::text[])[1] AND st.status = 'ready' AND st.sent_at IS NOT NULL
                LIMIT %(slots)s
            ) sent
        ) < %(slots)s AS yes
), ids AS MATERIALIZED (
    -- Taken here, because a stage names those that it needs by their ids.
    SELECT n, nextval('flows_stage_id_seq') AS id FROM f, generate_series(1, cardinality(%(kinds)s::text[])) n
), s AS (
    -- The stages in order; the first is ready, and counts as sent where there is room.
    INSERT INTO flows_stage (
        id, flow_id, position, kind, queue, needs, needs_left, status, ready_at, sent_at, sends
    )
    SELECT ids.id, f.id, t.n, t.kind, t.queue,
        ARRAY(
            SELECT o.id FROM unnest(%(needing)s::int[], %(needed)s::int[]) AS edge(needing, needed)
            JOIN ids o ON o.n = edge.needed
            WHERE edge.needing = t.n
            ORDER BY o.n
        ),
        t.needs_left,
        CASE t.n WHEN 1 THEN 'ready' ELSE 'pending' END,
        CASE t.n WHEN 1 THEN now() END,
        CASE WHEN t.n = 1 AND room.yes THEN now() END,
        CASE WHEN t.n = 1 AND room.yes THEN 1 ELSE 0 END
    FROM f CROSS JOIN room
    CROSS JOIN unnest(%(kinds)s::text[], %(queues)s::text[], %(needs_left)s::int[])
        WITH ORDINALITY AS t(kind, queue, needs_left, n)
    JOIN ids ON ids.n = t.n
    ORDER BY t.n
    RETURNING id, flow_id, position, kind, queue, sent_at
), e AS (
    -- Both events in the order in which followers read them.
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data)
    SELECT flow_id, kind, stage_id, data
    FROM (
        SELECT 1 AS n, f.id AS flow_id, 'flow.created' AS kind, NULL::bigint AS stage_id,
            %(created)s::jsonb AS data
        FROM f
        UNION ALL
        SELECT 2, s.flow_id, 'stage.ready', s.id,
            jsonb_build_object('stage', s.kind, 'round', 1, 'queue', s.queue)
        FROM s WHERE s.position = 1
    ) both_events
    ORDER BY n
)
SELECT s.id, s.queue, s.sent_at IS NOT NULL AS sent, f.created_at, f.deadline_at,
    use.open_flows, use.seconds_until_flow, use.stored_bytes,
    EXISTS (SELECT 1 FROM enabled) AS enabled
FROM use LEFT JOIN (s CROSS JOIN f) ON true
ORDER BY s.position;
