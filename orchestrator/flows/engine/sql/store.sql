-- What a result carries beside its status.

-- name: attach_snapshot
-- Let a flow that carries no snapshot carry this one.
UPDATE flows_flow
SET snapshot_id = %(snapshot)s, origin = %(origin)s
WHERE id = %(flow)s AND snapshot_id IS NULL;

-- name: lock_block_name
-- Wait for other transactions that write a version of the same block. The lock ends with the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0));
