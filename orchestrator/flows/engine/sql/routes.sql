-- What is left of a flow, for the messages that carry it.

-- name: list_remaining_stages
-- List the stages of a flow that are ready or still to come, in order, and what each needs: in a row from
-- before needs were kept, the stage before it.
SELECT id, queue, status = 'ready' AS ready, status = 'ready' AND sent_at IS NOT NULL AS sent,
    COALESCE(needs, ARRAY[lag(id) OVER (ORDER BY position)]) AS needs
FROM flows_stage
WHERE flow_id = %(flow)s AND status IN ('ready', 'pending')
ORDER BY position;
