-- A round whose files a person wrote. Each runs under the flow's lock.

-- name: find_newest_stage
-- Find the newest stage of a kind.
SELECT id, status, round FROM flows_stage
WHERE flow_id = %(flow)s AND kind = %(kind)s
ORDER BY round DESC
LIMIT 1;

-- name: ask_for_round
-- Ask for one more round, unless a stage of the newest round has asked already.
UPDATE flows_stage st
SET repair = jsonb_build_object('insert', jsonb_build_array(%(kind)s::text), 'feedback', %(feedback)s::text)
WHERE st.id = %(stage)s
    AND NOT EXISTS (
        SELECT 1 FROM flows_stage asking
        WHERE asking.flow_id = %(flow)s AND asking.repair <> '{}'
            -- Not what a later round has answered.
            AND NOT EXISTS (
                SELECT 1 FROM flows_stage later
                WHERE later.flow_id = asking.flow_id AND later.kind = asking.kind AND later.round > asking.round
            )
    );

-- name: wait_for_the_disk
-- Let this transaction be durable before its answer is sent.
SELECT set_config('synchronous_commit', 'on', true);
