-- The audit trail.

-- name: name_actor
-- Say who changes rows in this transaction, and why; the triggers of the trail read it. The settings end with
-- the transaction.
SELECT set_config('blocks.actor', %(actor)s, true) AS actor,
    set_config('blocks.reason', %(reason)s, true) AS reason;
