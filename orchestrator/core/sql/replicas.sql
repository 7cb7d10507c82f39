-- Statements of orchestrator/core/replicas.py.

-- name: measure_replica_lag
-- Whether this server is a replica, and how many seconds it is behind its primary.
SELECT
    pg_is_in_recovery() AS is_replica,
    (CASE
        WHEN NOT pg_is_in_recovery() THEN 0
        -- Everything that has arrived is applied, and more would arrive. Where nobody writes, the last
        -- transaction may be old, and the replica is not behind. Without a receiver nothing arrives, and the
        -- replica would seem to be up to date for ever.
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
            AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
        -- A replica that has applied no commit since it started is at least as old as that.
        ELSE extract(
            epoch FROM clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())
        )
    END)::float8 AS seconds
