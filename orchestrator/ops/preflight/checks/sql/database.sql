-- Statements of orchestrator/ops/preflight/checks/database.py.

-- name: read_archiving
-- Whether the server archives its log, and whether its newest attempt to do so succeeded.
SELECT
    current_setting('archive_mode') AS mode,
    last_archived_time AS archived_at,
    -- A failure after the newest success: since then nothing is kept.
    coalesce(last_archived_time > coalesce(last_failed_time, '-infinity'), false) AS works
FROM pg_stat_archiver
