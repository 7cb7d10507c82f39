-- The token of a request.

-- name: find_token
-- The token with a digest and the repo that it is bound to, in one look; no row where there is none, or where
-- it was revoked. Nothing is kept between requests, so what is revoked is refused at once.
SELECT
    -- In the order of the model's fields, as those of the repo after them.
    t.id, t.name, t.repo_id, t.scopes, t.replaces_id, t.trust_id, t.created_by, t.created_at, t.expires_at,
    t.last_used_at, t.revoked_at,
    r.repo_name, r.domain, r.team_lead, r.clone_url, r.phase, r.enabled, r.paused, r.onboarded_at
FROM repos_token t
LEFT JOIN repos r ON r.id = t.repo_id
WHERE t.digest = %(digest)s AND t.revoked_at IS NULL;
