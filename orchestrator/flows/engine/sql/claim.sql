-- Claiming a stage and keeping it. Locks are taken in the order flow, then stage.

-- name: claim_stage
-- Make a ready stage run under a token and a lease, with an attempt and an event; no row if another worker
-- was first or it may not start. Losing this commit in a crash of the server loses nothing: the stage is
-- ready again, and every later commit (a ledger row, the finish) carries the log up to this one with it. So
-- this one need not wait for the disk.
WITH quick AS MATERIALIZED (
    -- For this transaction only; the next step reads it, so that it runs first.
    SELECT set_config('synchronous_commit', 'off', true) AS done
), f AS (
    -- Lock the flow, unless it has ended, is paused, is past its deadline or is held. PostgreSQL reads a
    -- locked row again in its newest version before these conditions count.
    SELECT fl.id, fl.status, fl.feature_request, fl.block_family, fl.flow_type, fl.flow_type_version,
        fl.settings, fl.created_at, fl.trace_parent, fl.nonce_seed, r.repo_name AS repo
    FROM quick, flows_flow fl JOIN repos r ON r.id = fl.repo_id
    WHERE quick.done IS NOT NULL
        AND fl.id = (SELECT flow_id FROM flows_stage WHERE id = %(stage)s)
        AND fl.status IN ('pending', 'running', 'waiting')
        AND fl.deadline_at > now()
        AND NOT EXISTS (
            SELECT 1 FROM flows_hold h
            WHERE h.scope = 'everything'
                OR h.scope = 'repo' AND h.target = r.repo_name
                OR h.scope = 'queue' AND h.target = (SELECT queue FROM flows_stage WHERE id = %(stage)s)
        )
    FOR NO KEY UPDATE OF fl
), s AS (
    -- The compare-and-set: of two claims only one finds the stage ready.
    UPDATE flows_stage st
    SET status = 'running', token = %(token)s, worker = %(worker)s,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
        attempts_made = st.attempts_made + 1,
        started_at = COALESCE(st.started_at, clock_timestamp()), not_before = NULL, waiting_since = NULL
    FROM f WHERE st.id = %(stage)s AND st.flow_id = f.id AND st.status = 'ready'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue, st.feedback, st.attempts_made, st.failures,
        st.waits_for
), a AS (
    -- One attempt for each claim that won.
    INSERT INTO flows_attempt (stage_id, number, token, worker, started_at)
    SELECT s.id, s.attempts_made, %(token)s, %(worker)s, clock_timestamp() FROM s
    RETURNING id
), moved AS (
    -- Its first stage makes a flow run, and so does the one after a wait.
    UPDATE flows_flow fl SET status = 'running', started_at = COALESCE(fl.started_at, clock_timestamp())
    FROM s WHERE fl.id = s.flow_id AND fl.status <> 'running'
), e AS (
    -- Under the flow's lock, so the ids of its events grow in the order of their commits.
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT s.flow_id, 'stage.started', s.id,
        jsonb_build_object(
            'stage', s.kind, 'round', s.round, 'attempt', s.attempts_made, 'worker', %(worker)s::text
        ),
        clock_timestamp()
    FROM s
)
SELECT s.*, f.feature_request, f.block_family, f.flow_type, f.flow_type_version, f.settings, f.created_at,
    f.trace_parent, f.nonce_seed, f.repo, a.id AS attempt
FROM s CROSS JOIN f CROSS JOIN a;

-- name: renew_leases
-- Extend the leases of many stages at once and return the tokens that are still live. It locks no flow, so it
-- waits for no stage either: a process may run two stages of a flow, and a verb that holds one of them and
-- wants the other would wait for this one in a circle.
WITH held AS (
    -- What the caller holds, as it is now.
    SELECT s.id, s.token
    FROM unnest(%(stages)s::bigint[], %(tokens)s::uuid[]) AS live(id, token)
    JOIN flows_stage s ON s.id = live.id AND s.token = live.token AND s.status = 'running'
), free AS (
    -- A stage that is locked is left to the next beat: a lease outlives two of them.
    SELECT s.id FROM held JOIN flows_stage s ON s.id = held.id AND s.token = held.token
    FOR NO KEY UPDATE OF s SKIP LOCKED
), renewed AS (
    -- The lease only moves forward.
    UPDATE flows_stage s SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    FROM free WHERE s.id = free.id AND s.status = 'running'
)
SELECT token FROM held;
