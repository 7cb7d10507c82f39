"""The ends of an attempt other than a pass: a repair round, a wait, a failure."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from orchestrator.core import database
from orchestrator.core.redaction import redact_text
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import repair_round, store, transitions, waits
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.engine.transitions import Spent
from orchestrator.flows.flow_settings import FlowSettings
from orchestrator.flows.stage_protocol import Failed, Park, Repair

MAX_MESSAGE = 4000
_SQL = load_statements(__file__)


def end_with_repair(claim: Claim, result: Repair, spent: Spent) -> tuple[int, ...]:
    """Ask for a repair round, or fail the flow when none is left; the stages that the caller has to send.

    The round begins when nothing else of the flow is under way: what the stages beside this one find goes
    into the same round.
    """
    allowed = FlowSettings.parse(claim.settings).max_repair_rounds
    reason = {"code": result.code, "message": _read_words(result.message), "cure": result.cure}
    with transaction.atomic():
        held = transitions.lock_claim(claim)
        store.store_result(claim, result)
        repair_round.store_request(claim, result)
        seconds = transitions.end_attempt(
            claim.token,
            "failed",
            code=result.code,
            message=reason["message"],
            spent=spent,
        )
        transitions.fail_stage(claim.flow_id, claim.stage_id, **reason, worker=claim.worker, seconds=seconds)
        # The stage has failed in either case; without a round left its flow fails with it.
        if claim.round > allowed:
            transitions.fail_flow(claim.flow_id, **reason)
            return ()
        transitions.refresh_cost(claim.flow_id)
        return repair_round.begin_round(held)


def end_with_wait(claim: Claim, result: Park) -> None:
    """Let the stage wait without a worker."""
    with transaction.atomic():
        transitions.lock_claim(claim)
        transitions.end_attempt(claim.token, "parked", message=_read_words(result.reason))
        _let_stage_wait(claim, result)


def end_with_failure(claim: Claim, result: Failed, spent: Spent) -> None:
    """Try again after a pause while attempts are left, else fail stage and flow."""
    reason = {"code": result.code, "message": _read_words(result.message), "cure": result.cure}
    with transaction.atomic():
        transitions.lock_claim(claim)
        store.store_result(claim, result)
        seconds = transitions.end_attempt(
            claim.token,
            "failed",
            code=result.code,
            message=reason["message"],
            spent=spent,
        )
        # Only failures count here: crashes have a count of their own, and a wait for a provider is not a
        # failure.
        tries = claim.failures + 1
        if result.retryable and tries < settings.ENGINE_MAX_ATTEMPTS:
            pause = transitions.compute_pause(tries)
            transitions.refresh_cost(claim.flow_id)
            why = f"Attempt {tries} of {settings.ENGINE_MAX_ATTEMPTS} failed: {reason['message']}"
            _let_stage_wait(claim, Park(why, datetime.now(UTC)), pause=pause, failed=1)
            return
        transitions.fail_stage(claim.flow_id, claim.stage_id, **reason, worker=claim.worker, seconds=seconds)
        transitions.fail_flow(claim.flow_id, **reason)


def _let_stage_wait(claim: Claim, wait: Park, *, pause: float | None = None, failed: int = 0) -> None:
    """Wait as ``wait`` says or, after a failure, for ``pause`` seconds by the database's clock."""
    params: dict[str, Any] = {
        "stage": claim.stage_id,
        "reason": _read_words(wait.reason) or "Waiting.",
        "provider": wait.provider,
        "tokens": wait.tokens,
        "nano_usd": wait.nano_usd,
        # With a pause the database computes the end by its own clock.
        "until": wait.until if pause is None else None,
        "pause": pause or 0.0,
        "failed": failed,
    }
    (row,) = database.fetch_rows(_SQL["let_stage_wait"], params)
    transitions.rest_flow(claim.flow_id)
    shown = {
        "stage": claim.kind,
        "round": claim.round,
        "reason": params["reason"],
        "until": row.not_before.isoformat(),
    }
    transitions.record_event(
        claim.flow_id,
        "stage.waiting",
        claim.stage_id,
        shown | _describe_line(wait),
    )


def _read_words(text: str) -> str:
    """``text`` as rows and events keep it. It may quote a vendor, a tool or a file."""
    return redact_text(text[:MAX_MESSAGE])[0]


def _describe_line(wait: Park) -> dict[str, str]:
    """Whose room the stage waits for: a provider's, or that of its repo's budget."""
    if wait.provider == waits.REPO_BUDGET:
        return {"limit": wait.provider}
    return {"provider": wait.provider} if wait.provider else {}
