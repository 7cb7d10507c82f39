"""Claim a stage, and keep it: one compare-and-set each, fenced by a random token.

A claim may be lost to another worker, to a cancel, to a pause. The order of locks is flow, then stage, here
as everywhere: see docs/explanation/locking.md. What is locked is read again by PostgreSQL in its newest
version before the update counts.
"""

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from orchestrator.core import database
from orchestrator.core.sql import load_statements

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A stage that this worker holds while ``token`` is the stage's, with what its work needs.

    ``turn`` is the provider for whose capacity the stage has waited, and whose turn it now has.
    ``trace_parent`` is W3C's ``traceparent`` of the flow; empty where the flow is not traced. The nonces of
    prompts are made from ``nonce_seed``.
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
    trace_parent: str = ""
    nonce_seed: UUID | None = None


def claim(stage_id: int, worker: str) -> Claim | None:
    """Hold a ready stage for one lease; ``None`` when somebody else was first, or when it may not start.

    A claim whose answer was lost on the way is not asked for again: its lease runs out, and the stage comes
    back.
    """
    # Random: no two claims of a stage share a token, not even after the database was restored from a backup.
    token = uuid.uuid4()
    won = database.fetch_rows(
        _SQL["claim_stage"],
        {
            "stage": stage_id,
            "token": token,
            "lease": float(settings.ENGINE_LEASE_SECONDS),
            # The width of the column: a long host name must not make a claim fail.
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
        trace_parent=row.trace_parent,
        nonce_seed=row.nonce_seed,
    )


def renew_leases(held: Collection[tuple[int, UUID]]) -> set[UUID]:
    """Renew the leases of ``held`` (stage id, token) and return the tokens that are live.

    Any other token has been fenced.
    """
    if not held:
        return set()
    params = {
        "lease": float(settings.ENGINE_LEASE_SECONDS),
        "stages": [stage_id for stage_id, _ in held],
        "tokens": [token for _, token in held],
    }
    # Safe to repeat after a lost answer: a renewal only moves the lease forward.
    renewed = database.retry_while_away(lambda: database.fetch_rows(_SQL["renew_leases"], params))
    return {row.token for row in renewed}
