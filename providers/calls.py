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

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from orchestrator.core import database
from providers import admission, charges, error_policy, ledger, limiter, prices, registry
from providers.admission import CallRefused, RepoRefused
from providers.base import (
    Adapter,
    AdapterFault,
    Completion,
    NotAdmitted,
    PartialAnswer,
    ProviderError,
    Request,
    UnknownModel,
    UsageSource,
)
from providers.call_span import describe_answer, open_call_span
from providers.counting import InputCount
from providers.limiter import Admitted, RepoBudget, ReservationRequest
from providers.models import CallStatus, ProviderCall
from providers.plain_text import clean_text

# A shorter wait is waited for: another model gives another answer, so it is taken only where waiting would
# hurt.
FALLBACK_AFTER: Final = timedelta(seconds=15)
# A request whose bound takes up a quarter of a minute's or a day's tokens is counted while it is answered.
_HOLDS_UP: Final = 4
_NAME_CHARACTERS: Final = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made. ``ceiling_usd`` is what the flow may still spend, ``budget`` what its
    repo may use in 24 hours.
    """

    repo: str
    flow_id: str | None = None
    stage_id: int | None = None
    attempt_id: int | None = None
    stage_kind: str = ""
    ceiling_usd: Decimal | None = None
    fallback_model: str = ""
    forbidden_vendors: frozenset[str] = field(default_factory=frozenset)
    budget: RepoBudget | None = None


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A completion and what it cost. ``replayed``: a stored answer of an earlier attempt, not paid again.

    ``model`` is the one that answered, by the vendor's words.
    """

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
    count = InputCount(adapter, request)
    wanted = _request_reservation(provider, request, caller, digest)
    try:
        admitted = admission.admit(adapter, request, wanted, caller.ceiling_usd, count)
    except CallRefused as refused:
        other = _fallback_provider(request, caller, refused)
        if other is None:
            raise
        return _call_fallback(other, request, caller, digest, refused)
    if isinstance(admitted, Admitted):
        return _send_and_settle(adapter, request, admitted, count)
    return _return_stored_answer(admitted.call_id, request, count)


def _call_fallback(
    provider: str, request: Request, caller: Caller, digest: str, refused: CallRefused
) -> ModelAnswer:
    """Send the same request to the fallback, if that admits it; else raise the first refusal."""
    request, asked = replace(request, model=caller.fallback_model), request.model
    wanted = replace(_request_reservation(provider, request, caller, digest), fallback_from=asked)
    try:
        adapter = registry.get_adapter(provider)
        count = InputCount(adapter, request)
        admitted = admission.admit(adapter, request, wanted, caller.ceiling_usd, count)
    except (NotAdmitted, ProviderError):
        # The first refusal names the wait after which the asked model answers; why the fallback cannot help
        # matters less.
        raise refused from None
    if not isinstance(admitted, Admitted):
        return _return_stored_answer(admitted.call_id, request, count)
    return replace(_send_and_settle(adapter, request, admitted, count), fallback_from=asked)


def _fallback_provider(request: Request, caller: Caller, refused: CallRefused) -> str | None:
    """Return the provider of the fallback; None where a fallback is absent, forbidden or not worth it."""
    if not caller.fallback_model or caller.fallback_model == request.model:
        return None
    # The budget of a repo is the same at every provider.
    if refused.wait < FALLBACK_AFTER or isinstance(refused, RepoRefused):
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
        budget=caller.budget,
    )


def _send_and_settle(
    adapter: Adapter, request: Request, admitted: Admitted, count: InputCount
) -> ModelAnswer:
    """Send the request, store the answer, settle the reservation."""
    call_id, provider = admitted.call_id, admitted.provider
    # A model may answer after minutes. One open connection for each waiting call would exhaust the
    # database.
    database.release_connection()
    _lower_in_flight(admitted, request, count)
    # Monotonic: a step of the wall clock must not give a negative latency.
    started = time.monotonic()
    try:
        with open_call_span(provider, request, call_id) as span:
            completion = _complete(adapter, request, provider)
            span.set(describe_answer(completion))
    except ProviderError as error:
        error_policy.end_reservation(call_id, provider, request, error, _milliseconds_since(started), count)
        raise
    except BaseException as error:
        # The worker is being stopped: the request has left, so its input stays charged.
        limiter.keep_charged(
            call_id,
            provider,
            code="provider:aborted",
            message=f"The call was broken off by {type(error).__name__}.",
            latency_ms=_milliseconds_since(started),
            health=limiter.Health.SILENT,
        )
        came = getattr(error, "partial", None) or PartialAnswer()
        charges.lower_unknown(call_id, provider, request, count, came)
        raise
    latency_ms = _milliseconds_since(started)
    cost = _settle_completion(call_id, provider, request, completion, datetime.now(UTC), latency_ms, count)
    return ModelAnswer(completion, call_id, cost, provider, completion.model or request.model)


def _complete(adapter: Adapter, request: Request, provider: str) -> Completion:
    """Return the answer; every failure but a broken-off call is a ``ProviderError``."""
    try:
        completion = adapter.complete(request)
    except ProviderError:
        raise
    # The edge to the SDKs and to what vendors send: what nobody foresaw must still end in the ledger.
    except Exception as error:
        fault = AdapterFault(provider, f"the answer could not be read: {type(error).__name__}")
        # What had come of a stream; a defect after its end leaves nothing to count by.
        fault.partial = getattr(error, "partial", None)
        raise fault from error
    if registry.may_cut_prompts(provider):
        cut = charges.find_cut_prompt(provider, request, completion)
        if cut is not None:
            raise cut
    # Names from outside go into columns and onto pages.
    model = clean_text(completion.model)[:_NAME_CHARACTERS]
    return replace(completion, model=model, request_id=clean_text(completion.request_id)[:_NAME_CHARACTERS])


def _lower_in_flight(admitted: Admitted, request: Request, count: InputCount) -> None:
    """Have a large request counted while it is answered, so that its bound in bytes holds up nobody else."""
    if count.is_known or database.in_transaction():
        return
    allowed = limiter.read_limits(admitted.provider)
    if admitted.tokens * _HOLDS_UP >= min(allowed.tokens_day, allowed.tokens_minute):
        name = f"count-{admitted.provider}"
        threading.Thread(target=_lower, args=(admitted, request, count), name=name, daemon=True).start()


def _lower(admitted: Admitted, request: Request, count: InputCount) -> None:
    try:
        counted = count.read()
        # Only the vendor's count is a bound again; an estimate may be too low while the call is under way.
        if counted.source is UsageSource.COUNTED:
            size = admission.compute_bound(admitted.provider, request, counted.bound)
            limiter.lower_charge(
                admitted.call_id, admitted.provider, size.tokens, size.usd, UsageSource.COUNTED
            )
    except (DatabaseError, InterfaceError) as error:
        log.warning("the bound of %s was not lowered: %s", admitted.call_id, type(error).__name__)
    finally:
        connection.close()


def _return_stored_answer(call_id: UUID, request: Request, count: InputCount) -> ModelAnswer:
    """Return the stored answer; settle it first where a worker died between storing and settling."""
    call = ProviderCall.objects.get(id=call_id)
    completion, cost = ledger.read_completion(call), call.cost_usd
    # Priced as of the call, not of now: a price may have changed since.
    if call.status != CallStatus.SETTLED:
        request = replace(request, model=call.model)
        cost = _settle_completion(
            call_id, call.provider, request, completion, call.created_at, call.latency_ms, count
        )
    return ModelAnswer(
        completion,
        call_id,
        cost,
        call.provider,
        completion.model or call.model,
        replayed=True,
        fallback_from=call.fallback_from,
    )


def _settle_completion(
    call_id: UUID,
    provider: str,
    request: Request,
    completion: Completion,
    at: datetime,
    latency_ms: int | None,
    count: InputCount,
) -> Decimal:
    charge = charges.decide_charge(call_id, request, completion, count)
    price = prices.price_usage(provider, request.model, charge.usage, at)
    usd = max(price.usd, charge.least_usd)
    kept = ledger.prepare_answer(call_id, completion)
    limiter.settle(
        call_id,
        provider,
        charge.usage,
        usd,
        price.snapshot,
        latency_ms=latency_ms,
        kept=kept,
        source=charge.source,
        answered_by=completion.model,
    )
    return usd


def _milliseconds_since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
