"""The one way to call a model: limits, ledger, breaker, adapter, settlement, cost, in that order.

A call in steps, each of which may be the last one before a crash:

1. An answer stored for the same stage and request is returned; it was paid before.
2. The reservation: counters and ledger row in one transaction. A crash after it leaves a lease, which runs
   out and stays charged as unknown spend.
3. The vendor's SDK. No lock and no database connection is held meanwhile.
4. Settlement: the reservation becomes what was used, at the price of the moment, and the raw response is
   stored, in one transaction. A long response is stored before it; a crash after that finds it in step 1.

Only step 2 waits for the disk (decision 0008): what a crash of the server can take of step 4 leaves the lease
of step 2, and a flow never continues from an answer that is not on the disk.
"""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from orchestrator.core import database
from providers import admission, error_policy, ledger, limiter, prices, registry
from providers.admission import CallRefused
from providers.base import Adapter, Completion, NotAdmitted, ProviderError, Request, UnknownModel
from providers.limiter import Admitted, ReservationRequest
from providers.models import CallStatus, ProviderCall

# A shorter wait is waited for: another model gives another answer, so it is taken only where waiting would
# hurt.
FALLBACK_AFTER: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made. ``ceiling_usd`` is what the flow may still spend."""

    repo: str
    flow_id: str | None = None
    stage_id: int | None = None
    attempt_id: int | None = None
    stage_kind: str = ""
    ceiling_usd: Decimal | None = None
    fallback_model: str = ""
    forbidden_vendors: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A completion and what it cost. ``replayed``: a stored answer of an earlier attempt, not paid again."""

    completion: Completion
    call_id: UUID
    cost_usd: Decimal
    provider: str
    model: str
    replayed: bool = False
    fallback_from: str = ""


def call_model(provider: str, request: Request, caller: Caller) -> ModelAnswer:
    """Call ``provider``; raises ``NotAdmitted``, ``NeverAdmissible`` or a ``ProviderError``.

    It sends at most one request and leaves retries to the caller. The request goes to the asked model or, if
    that one would have to wait long and the fallback admits at once, to the fallback. It refuses to run
    inside a transaction, whose locks would be held during the call.
    """
    database.refuse_open_transaction(
        "A model is not called inside a transaction: its locks would be held for as long as the call takes."
    )
    # Made from the asked model, also for a call to the fallback: the next attempt asks for the same model
    # and must find the stored answer.
    digest = ledger.digest_request(provider, request)
    adapter = registry.get_adapter(provider)
    try:
        admitted = admission.admit(
            adapter, request, _request_reservation(provider, request, caller, digest), caller.ceiling_usd
        )
    except CallRefused as refused:
        other = _fallback_provider(request, caller, refused)
        if other is None:
            raise
        return _call_fallback(other, request, caller, digest, refused)
    if isinstance(admitted, Admitted):
        return _send_and_settle(adapter, request, admitted)
    return _return_stored_answer(admitted.call_id)


def _call_fallback(
    provider: str, request: Request, caller: Caller, digest: str, refused: CallRefused
) -> ModelAnswer:
    """Send the same request to the fallback, if that admits it; else raise the first refusal."""
    request, asked = replace(request, model=caller.fallback_model), request.model
    wanted = replace(_request_reservation(provider, request, caller, digest), fallback_from=asked)
    try:
        adapter = registry.get_adapter(provider)
        admitted = admission.admit(adapter, request, wanted, caller.ceiling_usd)
    except (NotAdmitted, ProviderError):
        # The first refusal names the wait after which the asked model answers; why the fallback cannot help
        # matters less.
        raise refused from None
    if not isinstance(admitted, Admitted):
        return _return_stored_answer(admitted.call_id)
    return replace(_send_and_settle(adapter, request, admitted), fallback_from=asked)


def _fallback_provider(request: Request, caller: Caller, refused: CallRefused) -> str | None:
    """Return the provider of the fallback; None where a fallback is absent, forbidden or not worth it."""
    if not caller.fallback_model or caller.fallback_model == request.model:
        return None
    if refused.wait < FALLBACK_AFTER:
        return None
    try:
        # The setting may name a model without a provider; the flow then continues without a fallback.
        provider = registry.provider_for_model(caller.fallback_model)
    except UnknownModel:
        return None
    return None if provider in caller.forbidden_vendors else provider


def _request_reservation(provider: str, request: Request, caller: Caller, digest: str) -> ReservationRequest:
    return ReservationRequest(
        provider=provider,
        model=request.model,
        # Filled in by admission, which computes the bound.
        tokens=0,
        nano_usd=0,
        timeout_seconds=request.timeout_seconds,
        digest=digest,
        repo=caller.repo,
        stage_kind=caller.stage_kind,
        flow_id=caller.flow_id,
        stage_id=caller.stage_id,
        attempt_id=caller.attempt_id,
    )


def _send_and_settle(adapter: Adapter, request: Request, admitted: Admitted) -> ModelAnswer:
    """Send the request, store the answer, settle the reservation."""
    call_id, provider = admitted.call_id, admitted.provider
    # A model may answer after minutes. One open connection for each waiting call would exhaust the
    # database.
    database.release_connection()
    # Monotonic: a step of the wall clock must not give a negative latency.
    started = time.monotonic()
    try:
        completion = adapter.complete(request)
    except ProviderError as error:
        error_policy.end_reservation(call_id, provider, request.model, error, _milliseconds_since(started))
        raise
    except BaseException as error:
        # The worker is being stopped, or an adapter has a fault: the request may have left, so it stays
        # charged.
        limiter.keep_charged(
            call_id,
            provider,
            code="provider:aborted",
            message=f"The call was broken off by {type(error).__name__}.",
            latency_ms=_milliseconds_since(started),
            health=limiter.Health.SILENT,
        )
        raise
    cost = _settle_completion(
        call_id, provider, request.model, completion, datetime.now(UTC), _milliseconds_since(started)
    )
    return ModelAnswer(completion, call_id, cost, provider, request.model)


def _return_stored_answer(call_id: UUID) -> ModelAnswer:
    """Return the stored answer; settle it first where a worker died between storing and settling."""
    call = ProviderCall.objects.get(id=call_id)
    completion, cost = ledger.read_completion(call), call.cost_usd
    # Priced as of the call, not of now: a price may have changed since.
    if call.status != CallStatus.SETTLED:
        cost = _settle_completion(
            call_id, call.provider, call.model, completion, call.created_at, call.latency_ms
        )
    return ModelAnswer(
        completion, call_id, cost, call.provider, call.model, replayed=True, fallback_from=call.fallback_from
    )


def _settle_completion(
    call_id: UUID, provider: str, model: str, completion: Completion, at: datetime, latency_ms: int | None
) -> Decimal:
    price = prices.price_usage(provider, model, completion.usage, at)
    kept = ledger.prepare_answer(call_id, completion)
    limiter.settle(
        call_id, provider, completion.usage, price.usd, price.snapshot, latency_ms=latency_ms, kept=kept
    )
    return price.usd


def _milliseconds_since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
