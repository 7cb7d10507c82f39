-- Statements of orchestrator/ops/doctor/postgresql.py.

-- name: describe_server
-- What a server is: its version, whether it follows another one, of which cluster, and which migrations it has.
SELECT
    split_part(current_setting('server_version'), ' ', 1) AS version,
    pg_is_in_recovery() AS is_replica,
    -- A replica has the number of its primary, also when it was promoted.
    (SELECT system_identifier::text FROM pg_control_system()) AS cluster,
    ARRAY(SELECT app || '.' || name FROM django_migrations ORDER BY 1) AS migrations
