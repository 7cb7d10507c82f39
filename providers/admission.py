"""From a request to a reservation: a hard bound, the provider's own count where that bound hurts, the refusal in words."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from providers import ledger, limiter, prices
from providers.base import Adapter, CostCeilingReached, NeverAdmissible, NotAdmitted, ProviderError, Request
from providers.limiter import Admitted, Answered, Denied, Limits, Wanted

# Dimensions in which a smaller bound of the same request may be admitted.
_BOUND_HURTS: Final = frozenset({"tokens_day", "tokens_minute", "usd_day"})


class Refused(NotAdmitted):
    """``NotAdmitted`` with the length of the wait by the limiter's own clock."""

    def __init__(self, wanted: Wanted, denied: Denied, allowed: Limits) -> None:
        dimension = "tokens_day" if denied.dimension == "quota" else denied.dimension
        words = reason(wanted.provider, denied, allowed)
        super().__init__(
            wanted.provider, dimension, words, denied.until, tokens=wanted.tokens, nano_usd=wanted.nano
        )
        self.wait = denied.until - denied.asked_at


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a request can use: input and output tokens, and its worst price."""

    input_tokens: int
    tokens: int
    usd: Decimal


def bound(provider: str, request: Request, input_tokens: int) -> Bound:
    """The bound of ``request`` with at most ``input_tokens``; raises ``UnknownModel`` where the model has no price."""
    usd = prices.worst_case(provider, request.model, input_tokens, request.max_output_tokens)
    return Bound(input_tokens, input_tokens + request.max_output_tokens, usd)


def admit(
    adapter: Adapter, request: Request, wanted: Wanted, ceiling_usd: Decimal | None
) -> Admitted | Answered:
    """Reserve for ``request``; raises ``Refused`` with the time to come back, or ``NeverAdmissible``.

    The bytes of the request bound its tokens without a call. Where that bound cannot be admitted, the provider counts, once.
    """
    provider, allowed = wanted.provider, limiter.of(wanted.provider)
    size, counted = bound(provider, request, adapter.request_bytes(request)), False
    if _obstacle(size, allowed, provider, ceiling_usd):
        stored = ledger.stored(wanted.stage_id, wanted.digest)
        if stored is not None:
            return Answered(stored)  # paid before, so nothing is in its way
        size, counted = _counted(adapter, request, provider, size), True
    obstacle = _obstacle(size, allowed, provider, ceiling_usd)
    if obstacle is not None:
        raise obstacle
    verdict = limiter.acquire(_sized(wanted, size), allowed)
    if isinstance(verdict, Denied) and verdict.dimension in _BOUND_HURTS and not counted:
        smaller = _counted(adapter, request, provider, size)
        if smaller.tokens < size.tokens:
            size = smaller
            verdict = limiter.acquire(_sized(wanted, size), allowed)
    if isinstance(verdict, Denied):
        raise Refused(_sized(wanted, size), verdict, allowed)
    return verdict


def reason(provider: str, denied: Denied, allowed: Limits) -> str:
    """Why a call waits, for people."""
    returns = f"capacity returns {_clock(denied.until)}"
    waits = "waiting for calls under way to settle" if denied.held else returns
    texts = {
        "paused": "paused by an operator",
        "not_before": f"the provider asked to wait until {_clock(denied.until)}",
        "breaker": "calls failed; one probe is under way"
        if denied.held
        else f"calls failed; next probe {_clock(denied.until)}",
        "quota": f"{_percent(denied.filled, allowed.tokens_day)} % of daily tokens used; {returns}",
        "tokens_day": f"{_percent(denied.filled, allowed.tokens_day)} % of daily tokens used or reserved; {waits}",
        "tokens_minute": f"tokens a minute reached; {returns}",
        "requests_minute": f"requests a minute reached; {returns}",
        "concurrency": f"all {allowed.concurrency} slots are taken; {waits}",
        "usd_day": f"{_percent(denied.filled, allowed.nano_day)} % of the daily budget used or reserved; {waits}",
    }
    return f"{provider}: {texts[denied.dimension]}"


def _obstacle(
    size: Bound, allowed: Limits, provider: str, ceiling_usd: Decimal | None
) -> NeverAdmissible | None:
    """Why a request of this size could not even fit into empty quotas; None if it could."""
    use = f"{provider}: the request may use {size.tokens:,} tokens"
    if size.tokens > allowed.tokens_day:
        return NeverAdmissible(f"{use}, the daily quota is {allowed.tokens_day:,}")
    if size.tokens > allowed.tokens_minute:
        return NeverAdmissible(f"{use}, the limit is {allowed.tokens_minute:,} a minute")
    if limiter.nano(size.usd) > allowed.nano_day:
        return NeverAdmissible(
            f"{provider}: the request may cost {size.usd:.4f} USD, more than the daily budget"
        )
    if ceiling_usd is not None and size.usd > ceiling_usd:
        left = max(ceiling_usd, Decimal(0))
        return CostCeilingReached(
            f"{provider}: the request may cost up to {size.usd:.4f} USD, the flow may still spend {left:.4f} USD"
        )
    return None


def _counted(adapter: Adapter, request: Request, provider: str, size: Bound) -> Bound:
    """The bound by the provider's own count, which vendors call an estimate: hence a fiftieth more. Never above the bytes."""
    try:
        count = adapter.count_tokens(request)
    except ProviderError:
        return size  # the bytes remain a true bound
    return bound(provider, request, min(size.input_tokens, count + count // 50 + 64))


def _sized(wanted: Wanted, size: Bound) -> Wanted:
    return replace(wanted, tokens=size.tokens, nano=limiter.nano(size.usd))


def _percent(part: int, whole: int) -> int:
    return 100 * part // max(whole, 1)


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M" if at.second == 0 else "%H:%M:%S")
