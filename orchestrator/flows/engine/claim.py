"""Claim a stage, and keep it: one compare-and-set each, fenced by a random token.

A claim may be lost to another worker, to a cancel, to a pause. The order of locks is flow, then stage, here as everywhere:
see docs/explanation/locking.md. What is locked is read again by PostgreSQL in its newest version before the update counts.
"""

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from orchestrator.core import database
from orchestrator.flows.engine.holds import held

# Losing this commit in a crash of the server loses nothing: the stage is ready again, and every later commit (a ledger
# row, the finish) carries the log up to this one with it. So it need not wait for the disk.
CLAIM = f"""
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS done),
f AS (
    SELECT fl.id, fl.status, fl.feature_request, fl.block_family, fl.flow_type, fl.flow_type_version, fl.settings,
        fl.created_at, r.repo_name AS repo
    FROM quick, flows_flow fl JOIN repos r ON r.id = fl.repo_id
    WHERE quick.done IS NOT NULL AND fl.id = (SELECT flow_id FROM flows_stage WHERE id = %(stage)s)
        AND fl.status IN ('pending', 'running', 'waiting') AND fl.deadline_at > now()
        AND NOT {held("(SELECT queue FROM flows_stage WHERE id = %(stage)s)", "r.repo_name")}
    FOR NO KEY UPDATE OF fl
), s AS (
    UPDATE flows_stage st SET status = 'running', token = %(token)s,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s), worker = %(worker)s,
        attempts_made = st.attempts_made + 1, started_at = COALESCE(st.started_at, clock_timestamp()), not_before = NULL,
        waiting_since = NULL
    FROM f WHERE st.id = %(stage)s AND st.flow_id = f.id AND st.status = 'ready'
    RETURNING st.id, st.flow_id, st.kind, st.round, st.queue, st.feedback, st.attempts_made, st.failures, st.waits_for
), a AS (
    INSERT INTO flows_attempt (stage_id, number, token, worker, started_at, outcome, model, fallback_from, error_code,
        error_message)
    SELECT s.id, s.attempts_made, %(token)s, %(worker)s, clock_timestamp(), 'running', '', '', '', '' FROM s
    RETURNING id
), moved AS (
    UPDATE flows_flow fl SET status = 'running', started_at = COALESCE(fl.started_at, clock_timestamp())
    FROM s WHERE fl.id = s.flow_id AND fl.status <> 'running'
), e AS (
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT s.flow_id, 'stage.started', s.id, jsonb_build_object('stage', s.kind, 'round', s.round, 'attempt', s.attempts_made,
        'worker', %(worker)s::text), clock_timestamp() FROM s
)
SELECT s.*, f.feature_request, f.block_family, f.flow_type, f.flow_type_version, f.settings, f.created_at, f.repo,
    a.id AS attempt
FROM s CROSS JOIN f CROSS JOIN a
"""  # noqa: S608 - made of constants
BEAT = """
UPDATE flows_stage s SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
FROM unnest(%(stages)s::bigint[], %(tokens)s::uuid[]) AS live(id, token)
WHERE s.id = live.id AND s.token = live.token AND s.status = 'running'
RETURNING s.token
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A stage that this worker holds while ``token`` is the stage's, with what its work needs.

    ``turn`` is the provider for whose capacity the stage has waited, and whose turn it now has.
    """

    token: UUID
    stage_id: int
    flow_id: str
    attempt_id: int
    attempt_number: int
    failures: int
    kind: str
    round: int
    queue: str
    worker: str
    repo: str
    feature_request: str
    block_family: str
    flow_type: str
    flow_type_version: int
    feedback: str
    settings: dict[str, Any]
    turn: str = ""


def claim(stage_id: int, worker: str) -> Claim | None:
    """Hold a ready stage for one lease; ``None`` when somebody else was first, or when it may not start.

    A claim whose answer was lost on the way is not asked for again: its lease runs out, and the stage comes back.
    """
    token = uuid.uuid4()
    won = database.fetch_rows(
        CLAIM,
        {
            "stage": stage_id,
            "token": token,
            "lease": float(settings.ENGINE_LEASE_SECONDS),
            "worker": worker[:200],
        },
    )
    if not won:
        return None
    (row,) = won
    return Claim(
        token=token,
        stage_id=row.id,
        flow_id=row.flow_id,
        attempt_id=row.attempt,
        attempt_number=row.attempts_made,
        failures=row.failures,
        kind=row.kind,
        round=row.round,
        queue=row.queue,
        worker=worker[:200],
        repo=row.repo,
        feature_request=row.feature_request,
        block_family=row.block_family,
        flow_type=row.flow_type,
        flow_type_version=row.flow_type_version,
        feedback=row.feedback,
        settings=json.loads(row.settings),  # Django has psycopg hand JSON over as text
        turn=row.waits_for,
    )


def renew_leases(held: Collection[tuple[int, UUID]]) -> set[UUID]:
    """Renew the leases of ``held`` (stage id, token); the tokens that are still live. Any other has been fenced."""
    if not held:
        return set()
    params = {
        "lease": float(settings.ENGINE_LEASE_SECONDS),
        "stages": [stage_id for stage_id, _ in held],
        "tokens": [token for _, token in held],
    }
    return {row.token for row in database.retry_while_away(lambda: database.fetch_rows(BEAT, params))}
