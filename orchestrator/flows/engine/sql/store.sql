-- What a result carries beside its status.

-- name: attach_snapshot
-- Let a flow that carries no snapshot carry this one.
UPDATE flows_flow
SET snapshot_id = %(snapshot)s, origin = %(origin)s
WHERE id = %(flow)s AND snapshot_id IS NULL;

-- name: lock_waiting_stage
-- Lock a stage that has not started yet, or waits; no row if it runs or has ended.
SELECT id
FROM flows_stage
WHERE id = %(stage)s AND status IN ('pending', 'ready', 'waiting')
FOR NO KEY UPDATE;

-- name: lock_block_name
-- Wait for other transactions that write a version of the same block. The lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0));

-- name: choose_family
-- Give a flow the block family that its plan has chosen, where the caller gave none. Since when it has it tells what
-- was counted without one.
UPDATE flows_flow SET block_family = %(family)s, family_chosen_at = clock_timestamp()
WHERE id = %(flow)s AND block_family = '';
