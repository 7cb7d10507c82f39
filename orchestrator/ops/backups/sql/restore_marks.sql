-- Statements of orchestrator/ops/backups/restore_marks.py.

-- name: list_tables
-- Every table of the database that holds rows of its own, quoted as SQL wants it.
SELECT format('%%I.%%I', n.nspname, c.relname) AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
-- Partitioned tables hold no rows; their partitions are ordinary tables and are in the list.
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY name

-- name: read_server
-- What tells one server, and one run of it, from another, and what this role may do there.
SELECT
    current_setting('server_version_num')::int AS version,
    -- A restored copy starts at another time. Equal times mean the very server of the mark.
    pg_postmaster_start_time() AS started_at,
    pg_is_in_recovery() AS in_recovery,
    has_function_privilege('pg_create_restore_point(text)', 'EXECUTE') AS may_name,
    has_function_privilege('pg_switch_wal()', 'EXECUTE') AS may_switch

-- name: read_position
-- The instant, and where the log of the server is. Run while every table is locked against writes.
SELECT clock_timestamp() AS at, pg_current_wal_insert_lsn()::text AS position

-- name: fix_texts
-- Let the text of a value depend on the value alone: two servers may have other defaults.
SELECT
    set_config('DateStyle', 'ISO, MDY', true) AS dates,
    set_config('IntervalStyle', 'postgres', true) AS intervals,
    set_config('TimeZone', 'UTC', true) AS zone,
    -- As many digits as tell one number from every other.
    set_config('extra_float_digits', '1', true) AS numbers,
    set_config('bytea_output', 'hex', true) AS bytes
