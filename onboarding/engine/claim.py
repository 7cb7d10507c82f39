"""Claim a step, and keep it: compare-and-set, fenced by a random token."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from psycopg.types.json import Jsonb

from onboarding.engine import rows
from onboarding.models import OnboardingRequest
from onboarding.step_protocol import RequestFacts, StepTakenOver
from orchestrator.core import database
from orchestrator.core.redaction import redact_text
from orchestrator.core.sql import load_statements

_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class StepClaim:
    """A step that this worker holds while ``token`` is the step's, with what its work needs."""

    token: UUID
    step_id: int
    request_id: int
    name: str
    kind: str
    attempt: int
    troubles: int
    started_at: datetime
    previous: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]
    request: RequestFacts


def claim_step(step_id: int, worker: str) -> StepClaim | None:
    """Hold a step for one lease; ``None`` when somebody else was first, or when it may not run now."""
    won = database.find_row(
        _SQL["claim_step"],
        {
            "step": step_id,
            # Random: no two claims share a token, not even after a restore from a backup.
            "token": uuid.uuid4(),
            "lease": float(settings.ENGINE_LEASE_SECONDS),
            "worker": worker[:200],
        },
    )
    if won is None:
        return None
    request = OnboardingRequest.objects.select_related("requested_by").get(pk=won.request_id)
    return StepClaim(
        token=won.token,
        step_id=won.id,
        request_id=won.request_id,
        name=won.name,
        kind=won.kind,
        attempt=won.attempt,
        troubles=won.troubles,
        started_at=won.started_at,
        previous=json.loads(won.outputs),  # Django has psycopg hand JSON over as text
        outputs=rows.read_outputs(won.request_id),
        request=read_facts(request),
    )


def read_facts(request: OnboardingRequest) -> RequestFacts:
    """A request as its steps see it."""
    requester = request.requested_by
    return RequestFacts(
        id=request.pk,
        reference=request.reference,
        repo_name=request.repo_name,
        code_host=request.code_host,
        code_host_path=request.code_host_path,
        clone_url=request.clone_url,
        block_family=request.block_family,
        team_lead=request.team_lead,
        ci_system=request.ci_system,
        ci_credentials=request.ci_credentials,
        clones_privately=request.clones_privately,
        requested_by="" if requester is None else requester.email or requester.get_username(),
        requested_from=request.requested_from,
        phase=request.phase,
        created_at=request.created_at,
        approved_by=request.decided_by,
        approved_at=request.decided_at,
    )


def renew_lease(claim: StepClaim) -> None:
    """Move the lease forward; raises ``StepTakenOver`` where the step is somebody else's now."""
    values = {"step": claim.step_id, "token": claim.token, "lease": float(settings.ENGINE_LEASE_SECONDS)}
    # Safe to repeat after a lost answer: a renewal only moves the lease forward.
    if not database.retry_while_away(lambda: database.fetch_rows(_SQL["renew_lease"], values)):
        raise StepTakenOver(f"{claim.name} of {claim.request.reference} continues elsewhere, or not at all.")


def add_to_log(claim: StepClaim, line: str) -> None:
    """Keep a line of a running step for people, redacted; the oldest go where there are too many."""
    values = {"step": claim.step_id, "token": claim.token, "line": redact_text(line)[0][:2000]}
    database.fetch_rows(_SQL["add_to_log"], values)


def keep_note(claim: StepClaim, note: Mapping[str, Any]) -> None:
    """Keep what a running step wants to find again in its next attempt; raises ``StepTakenOver``."""
    values = {"step": claim.step_id, "token": claim.token, "note": Jsonb(dict(note))}
    if not database.fetch_rows(_SQL["keep_note"], values):
        raise StepTakenOver(f"{claim.name} of {claim.request.reference} continues elsewhere, or not at all.")
