-- Statements of orchestrator/ops/observability/part_health.py.

-- name: measure_replica_lag
-- How many seconds this replica is behind its primary.
SELECT CASE
    -- Everything that has arrived is applied. Where nobody writes, the last transaction may be old, and the
    -- replica is not behind.
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
END::float8 AS seconds
