-- name: hold_state
-- Lock the state of a repo, or make its row. Nobody gets a row while somebody else's lock lasts.
INSERT INTO onboarding_terraformstate (repo_name, version, held_token, held_by, held_until)
VALUES (%(repo)s, 0, %(token)s, left(%(holder)s, 200), clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (repo_name) DO UPDATE
SET
    held_token = excluded.held_token,
    held_by = excluded.held_by,
    held_until = excluded.held_until
-- the clock of the database, because those of workers differ
WHERE onboarding_terraformstate.held_until IS NULL
    OR onboarding_terraformstate.held_until < clock_timestamp()
RETURNING held_token AS token, version, sealed;

-- name: renew_hold
-- Move the end of a lock forward, for its holder only.
UPDATE onboarding_terraformstate
SET held_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE repo_name = %(repo)s AND held_token = %(token)s
RETURNING version;

-- name: write_state
-- Store the next version. Both conditions are fences: of a lock that was lost, and of a state that was read too early.
UPDATE onboarding_terraformstate
SET sealed = %(sealed)s, version = version + 1, written_at = clock_timestamp()
WHERE repo_name = %(repo)s AND held_token = %(token)s AND version = %(version)s
RETURNING version;

-- name: release_hold
-- End a lock, for its holder only.
UPDATE onboarding_terraformstate
SET held_token = NULL, held_by = '', held_until = NULL
WHERE repo_name = %(repo)s AND held_token = %(token)s
RETURNING version;

-- name: forget_state
-- Delete the row with its lock, for its holder only.
DELETE FROM onboarding_terraformstate
WHERE repo_name = %(repo)s AND held_token = %(token)s
RETURNING version;
