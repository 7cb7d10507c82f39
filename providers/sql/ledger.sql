-- name: store_response
-- Store what the provider said with its call, once: a second answer never replaces the first.
WITH stored AS (
    -- The response counts as stored only while there is none.
    UPDATE providers_providercall
    SET response = %(response)s::jsonb, answer = %(answer)s::jsonb
    WHERE id = %(call)s::uuid AND response IS NULL
    RETURNING 1
)
SELECT count(*) FROM stored;
