-- The end of an attempt that passed, in one statement and one commit.

-- name: finish_stage
-- Pass a stage, count it down in the stages that need it, start or ready those that lack nothing more, and
-- end the flow after its last stage; no row if the token is not the live one. One next stage goes to the same
-- worker where it serves the queue, the queue has room and nothing is held: a claim of its own would write
-- the same row twice and wait for a message in between. Where none begins, so does a branch of the flow.
WITH f AS (
    -- Lock the flow before its stages. A paused flow lets its running stages end. After a repair request the
    -- caller says so, in a transaction in which the round may begin.
    SELECT id, status <> 'paused' AS runs, deadline_at > now() AS in_time FROM flows_flow
    WHERE id = %(flow)s AND status IN ('running', 'waiting', 'paused') AND repair_asked <= %(repair)s
    FOR NO KEY UPDATE
), s AS (
    -- The fence: only the attempt that holds the token passes the stage.
    UPDATE flows_stage st
    SET status = 'passed', token = NULL, lease_until = NULL, finished_at = clock_timestamp(), output =
    %(output)s FROM f WHERE st.id = %(stage)s AND st.flow_id = f.id AND st.token = %(token)s AND st.status =
    'running' RETURNING st.id, st.flow_id, st.position, st.kind, st.round, st.finished_at AS at
), later AS (
    -- The stages that need this one, whether their queues have room, and which of them this worker takes: the
    -- first that it may. A row from before needs were kept has none; it needs the one before it. Before them
    -- the branch that waits in the process of this worker, where each of them needs that too and none can
    -- begin yet.
    SELECT x.*, x.fits AND 1 = row_number() OVER (ORDER BY x.fits DESC, x.waits DESC, x.position) AS taken
    FROM (
        SELECT p.id, p.position, s.at, w.waits, r.room,
            r.room AND f.in_time AND p.queue = ANY(%(onward)s::text[])
            AND (NOT w.waits OR bool_and(w.waits OR %(branch)s = ANY(p.needs)) OVER ()) AND NOT EXISTS (
                SELECT 1 FROM flows_hold h
                WHERE h.scope = 'everything'
                    OR h.scope = 'repo' AND h.target = %(repo)s
                    OR h.scope = 'queue' AND h.target = p.queue
            ) AS fits
        FROM s, f, flows_stage p, LATERAL (SELECT p.status = 'ready' AS waits) w, LATERAL (
            SELECT f.runs AND NOT EXISTS (
                SELECT 1 FROM flows_queueload q WHERE q.queue = p.queue AND q.full_until > now()
            ) AS room
        ) r
        WHERE p.flow_id = s.flow_id AND (p.id = %(branch)s AND p.status = 'ready'
            OR p.status = 'pending' AND COALESCE(s.id = ANY(p.needs), p.position = s.position + 1))
    ) x
), n AS (
    -- Count down. An update reads a row that another branch has just counted down again in its newest
    -- version, so the last branch, and no other, finds one left. That one runs the stage under its new token,
    -- or makes it ready: sent where the queue has room, else left to the dispatcher. The branch that waited
    -- runs unless another worker was first.
    UPDATE flows_stage st
    SET needs_left = GREATEST(st.needs_left - 1, 0), ready_at = LEAST(st.ready_at, x.at),
        sends = x.room::int,
        status = CASE WHEN st.needs_left > 1 THEN 'pending' WHEN x.taken THEN 'running' ELSE 'ready' END,
        sent_at = CASE WHEN x.room THEN x.at END, worker = CASE WHEN x.taken THEN %(worker)s ELSE st.worker
        END, token = CASE WHEN x.taken AND st.needs_left < 2 THEN %(next)s::uuid END,
        lease_until = CASE WHEN x.taken AND st.needs_left < 2 THEN x.at + make_interval(secs => %(lease)s) END,
        attempts_made = st.attempts_made + (x.taken AND st.needs_left < 2)::int,
        started_at = COALESCE(st.started_at, CASE WHEN x.taken AND st.needs_left < 2 THEN x.at END)
    FROM later x
    WHERE st.id = x.id AND (NOT x.waits OR x.taken AND st.status = 'ready' AND st.attempts_made = 0)
    RETURNING st.id, st.kind, st.round, st.queue, st.feedback, st.attempts_made, st.failures, st.waits_for,
        st.token, st.status, cardinality(st.needs) > 1 AS joins, x.position, x.room
), na AS (
    -- The attempt of a next stage that this worker took.
    INSERT INTO flows_attempt (stage_id, number, token, worker, started_at)
    SELECT n.id, n.attempts_made, %(next)s, %(worker)s, s.at FROM n, s WHERE n.status = 'running'
    RETURNING id
), c AS (
    -- What the flow and this stage cost, and whether it ends here. The ledger is the truth, so nothing is
    -- added twice.
    SELECT COALESCE(sum(cost_usd), 0) AS usd, NOT EXISTS (SELECT 1 FROM n) AS ends,
        COALESCE(sum(cost_usd) FILTER (WHERE stage_id = %(stage)s), 0) AS own_usd
    FROM providers_providercall WHERE flow_id = %(flow)s
), moved AS (
    -- Write the flow only where something changes: its cost, or its end after the last stage.
    UPDATE flows_flow fl
    SET cost_usd = c.usd, status = CASE WHEN c.ends THEN 'passed' ELSE fl.status END,
        finished_at = CASE WHEN c.ends THEN s.at END
    FROM s, c WHERE fl.id = s.flow_id AND (c.ends OR fl.cost_usd <> c.usd)
), a AS (
    -- Close this attempt and measure it.
    UPDATE flows_attempt at
    SET outcome = 'passed', finished_at = s.at, model = %(model)s, fallback_from = %(fallback_from)s,
        prompt = %(prompt)s
    FROM s WHERE at.token = %(token)s
    RETURNING round(extract(epoch FROM at.finished_at - at.started_at), 3) AS seconds
), e AS (
    -- Events in the order in which a follower reads them: this stage, then the next ones or the flow's end.
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT s.flow_id, x.kind, x.stage_id, x.data, s.at FROM s, (
        SELECT 0 AS n, 'stage.passed' AS kind, s.id AS stage_id,
            jsonb_build_object('stage', s.kind, 'round', s.round, 'worker', %(worker)s::text,
                'seconds', seconds, 'cost_usd', own_usd::text) AS data
        FROM s, a, c
        UNION ALL
        SELECT position, CASE status WHEN 'ready' THEN 'stage.ready' ELSE 'stage.started' END, id,
            jsonb_build_object('stage', kind, 'round', round) || CASE status
                WHEN 'ready' THEN jsonb_build_object('queue', queue)
                ELSE jsonb_build_object('attempt', attempts_made, 'worker', %(worker)s::text) END
        FROM n WHERE status <> 'pending'
        UNION ALL
        SELECT 0, 'flow.passed', NULL, jsonb_build_object('cost_usd', usd::text) FROM c WHERE ends
    ) x ORDER BY n, stage_id
)
SELECT n.*, na.id AS attempt, (SELECT ends FROM c) AS flow_ended
FROM s LEFT JOIN n ON n.status <> 'pending' LEFT JOIN na ON n.status = 'running'
ORDER BY n.position;

-- name: find_finished_attempt
-- What an earlier run of the same finish left, for when the answer to its commit was lost: no row if there
-- was none, else one with each stage that it sent, and one with none where it sent none.
SELECT at.outcome, n.id AS next_id
FROM flows_attempt at JOIN flows_stage s ON s.id = at.stage_id
LEFT JOIN LATERAL (
    -- The stages that need this one; in a row from before needs were kept, the one before it.
    SELECT x.id FROM flows_stage x
    WHERE x.flow_id = s.flow_id AND COALESCE(s.id = ANY(x.needs), x.position = s.position + 1)
        AND x.status = 'ready' AND x.sent_at IS NOT NULL
) n ON true
WHERE at.token = %(token)s AND at.outcome IN ('passed', 'failed', 'parked')
ORDER BY n.id;
