-- The end of an attempt that passed, in one statement and one commit.

-- name: finish_stage
-- Pass a stage, start or ready the next one, and end the flow after the last; no row if the token is not the
-- live one. A next stage goes to the same worker where it serves the queue, the queue has room and nothing is
-- held: a claim of its own would write the same row twice and wait for a message in between.
WITH f AS (
    -- Lock the flow before its stages. A paused flow lets its running stage end.
    SELECT id, status, cost_usd, deadline_at > now() AS in_time FROM flows_flow
    WHERE id = %(flow)s AND status IN ('running', 'paused') FOR NO KEY UPDATE
), s AS (
    -- The fence: only the attempt that holds the token passes the stage.
    UPDATE flows_stage st
    SET status = 'passed', token = NULL, lease_until = NULL, finished_at = clock_timestamp(),
        output = %(output)s, error_code = '', error_message = '', error_cure = ''
    FROM f WHERE st.id = %(stage)s AND st.flow_id = f.id AND st.token = %(token)s AND st.status = 'running'
    RETURNING st.id, st.flow_id, st.position, st.kind, st.round
), following AS (
    -- The next stage, whether its queue has room, and whether this worker takes it.
    SELECT x.id, room.yes AS room, room.yes AND f.in_time AND x.queue = ANY(%(onward)s::text[])
        AND NOT EXISTS (
            SELECT 1 FROM flows_hold h
            WHERE h.scope = 'everything'
                OR h.scope = 'repo' AND h.target = %(repo)s
                OR h.scope = 'queue' AND h.target = x.queue
        ) AS taken
    FROM s CROSS JOIN f CROSS JOIN LATERAL (
        SELECT id, queue FROM flows_stage p
        WHERE p.flow_id = s.flow_id AND p.position > s.position AND p.status = 'pending'
        ORDER BY p.position LIMIT 1
    ) x
    CROSS JOIN LATERAL (
        SELECT f.status = 'running' AND NOT EXISTS (
            SELECT 1 FROM flows_queueload q WHERE q.queue = x.queue AND q.full_until > now()
        ) AS yes
    ) room
), n AS (
    -- Run it under its new token, or make it ready: sent where the queue has room, else left to the
    -- dispatcher.
    UPDATE flows_stage st
    SET status = CASE WHEN x.taken THEN 'running' ELSE 'ready' END, ready_at = clock_timestamp(),
        sent_at = CASE WHEN x.room THEN clock_timestamp() END, sends = st.sends + x.room::int,
        token = CASE WHEN x.taken THEN %(next_token)s::uuid END,
        lease_until = CASE WHEN x.taken THEN clock_timestamp() + make_interval(secs => %(lease)s) END,
        worker = CASE WHEN x.taken THEN %(worker)s ELSE st.worker END,
        attempts_made = st.attempts_made + x.taken::int,
        started_at = CASE WHEN x.taken THEN COALESCE(st.started_at, clock_timestamp()) ELSE st.started_at END
    FROM following x WHERE st.id = x.id
    RETURNING st.id, st.kind, st.round, st.queue, st.feedback, st.attempts_made, st.failures, st.waits_for,
        x.room, x.taken
), na AS (
    -- The attempt of a next stage that this worker took.
    INSERT INTO flows_attempt (stage_id, number, token, worker, started_at)
    SELECT n.id, n.attempts_made, %(next_token)s, %(worker)s, clock_timestamp() FROM n WHERE n.taken
    RETURNING id
), c AS (
    -- What the flow and this stage cost. The ledger is the truth, so nothing is added twice.
    SELECT COALESCE(sum(p.cost_usd), 0) AS usd,
        COALESCE(sum(p.cost_usd) FILTER (WHERE p.stage_id = %(stage)s), 0) AS stage_usd
    FROM providers_providercall p WHERE p.flow_id = %(flow)s AND p.status = 'settled'
), moved AS (
    -- Write the flow only where something changes: its cost, or its end after the last stage.
    UPDATE flows_flow fl
    SET cost_usd = c.usd, status = CASE WHEN n.id IS NULL THEN 'passed' ELSE fl.status END,
        finished_at = CASE WHEN n.id IS NULL THEN clock_timestamp() END
    FROM s LEFT JOIN n ON true CROSS JOIN c
    WHERE fl.id = s.flow_id AND (n.id IS NULL OR fl.cost_usd <> c.usd)
    RETURNING fl.status
), a AS (
    -- Close this attempt and measure it.
    UPDATE flows_attempt at
    SET outcome = 'passed', finished_at = clock_timestamp(),
        model = %(model)s, fallback_from = %(fallback_from)s
    FROM s WHERE at.token = %(token)s
    RETURNING extract(epoch FROM at.finished_at - at.started_at)::float8 AS seconds
), e AS (
    -- Events in the order in which a follower reads them: this stage, then the next one or the flow's end.
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT flow_id, kind, stage_id, data, clock_timestamp() FROM (
        SELECT 1 AS n, s.flow_id, 'stage.passed' AS kind, s.id AS stage_id,
            jsonb_build_object('stage', s.kind, 'round', s.round, 'worker', %(worker)s::text,
                'seconds', round(a.seconds::numeric, 3), 'cost_usd', c.stage_usd::text) AS data
        FROM s CROSS JOIN a CROSS JOIN c
        UNION ALL
        SELECT 2, s.flow_id, CASE WHEN n.taken THEN 'stage.started' ELSE 'stage.ready' END, n.id,
            jsonb_build_object('stage', n.kind, 'round', n.round) || CASE WHEN n.taken
                THEN jsonb_build_object('attempt', n.attempts_made, 'worker', %(worker)s::text)
                ELSE jsonb_build_object('queue', n.queue) END
        FROM s CROSS JOIN n
        UNION ALL
        SELECT 3, s.flow_id, 'flow.passed', NULL, jsonb_build_object('cost_usd', c.usd::text)
        FROM s CROSS JOIN c WHERE NOT EXISTS (SELECT 1 FROM n)
    ) in_order ORDER BY n
)
SELECT n.id, n.kind, n.round, n.queue, n.feedback, n.attempts_made, n.failures, n.waits_for,
    n.room AND NOT n.taken AS sent, n.taken, na.id AS attempt
FROM s LEFT JOIN n ON true LEFT JOIN na ON true;

-- name: find_finished_attempt
-- What an earlier run of the same finish left, for when the answer to its commit was lost: its outcome and
-- the stage that was sent next.
SELECT at.outcome, n.id AS next_id
FROM flows_attempt at JOIN flows_stage s ON s.id = at.stage_id
LEFT JOIN LATERAL (
    SELECT x.id FROM flows_stage x
    WHERE x.flow_id = s.flow_id AND x.position > s.position AND x.status = 'ready' AND x.sent_at IS NOT NULL
    ORDER BY x.position LIMIT 1
) n ON true
WHERE at.token = %(token)s AND at.outcome IN ('passed', 'failed', 'parked');
