"""Turn a request into a reservation, or into a refusal in words.

The size of the request bounds its tokens. Where that bound is too large, the provider counts.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from blocks.format.moments import write_moment
from providers import ledger, limiter, prices
from providers.base import (
    Adapter,
    CostCeilingReached,
    NeverAdmissible,
    NotAdmitted,
    RepoBudgetUsed,
    Request,
    UnknownModel,
    UsageSource,
)
from providers.counting import InputCount
from providers.limiter import Admitted, AnswerStored, Denied, Limits, RepoBudget, ReservationRequest
from providers.models import ProviderState

# Dimensions in which a smaller bound of the same request may be admitted.
_BOUND_HURTS: Final = frozenset({"tokens_day", "tokens_minute", "usd_day", "repo_tokens_day", "repo_usd_day"})


class CallRefused(NotAdmitted):
    """``NotAdmitted`` with the length of the wait by the limiter's own clock."""

    def __init__(self, wanted: ReservationRequest, denied: Denied, allowed: Limits) -> None:
        # Outside, the quota breaker and the quota are one thing: tokens of the day.
        dimension = "tokens_day" if denied.dimension == "quota" else denied.dimension
        words = describe_denial(wanted.provider, denied, allowed)
        super().__init__(
            wanted.provider, dimension, words, denied.until, tokens=wanted.tokens, nano_usd=wanted.nano_usd
        )
        # By the database's clock on both ends: a worker's own clock may be off by more than the wait.
        self.wait = denied.until - denied.asked_at


class RepoRefused(CallRefused, RepoBudgetUsed):
    """A ``CallRefused`` by the budget of the repo itself."""

    def __init__(self, wanted: ReservationRequest, denied: Denied, budget: RepoBudget) -> None:
        words = _describe_repo_denial(wanted.repo, denied, budget)
        NotAdmitted.__init__(
            self,
            wanted.provider,
            denied.dimension,
            words,
            denied.until,
            tokens=wanted.tokens,
            nano_usd=wanted.nano_usd,
        )
        self.wait = denied.until - denied.asked_at


@dataclass(frozen=True, slots=True)
class RequestBound:
    """The most that a request can use: input and output tokens, and its worst price."""

    input_tokens: int
    tokens: int
    usd: Decimal


def compute_bound(provider: str, request: Request, input_tokens: int) -> RequestBound:
    """Return the bound of ``request`` with at most ``input_tokens``; raises ``UnknownModel`` where the model
    has no price.
    """
    usd = prices.price_worst_case(provider, request.model, input_tokens, request.max_output_tokens)
    return RequestBound(input_tokens, input_tokens + request.max_output_tokens, usd)


def admit(
    adapter: Adapter,
    request: Request,
    wanted: ReservationRequest,
    ceiling_usd: Decimal | None,
    count: InputCount,
) -> Admitted | AnswerStored:
    """Reserve for ``request``; raises ``CallRefused`` with the time to come back, or ``NeverAdmissible``.

    The bytes of the request bound its tokens without a call. Where that bound cannot be admitted, the
    provider counts, once. A model without a price is refused with ``UnknownModel``; the ledger has a row that
    says so, unless something else keeps calls away at the moment.
    """
    provider, allowed = wanted.provider, limiter.read_limits(wanted.provider)
    try:
        size, counted = compute_bound(provider, request, adapter.request_bytes(request)), False
    except UnknownModel as error:
        answered = _record_refusal(wanted, allowed, error)
        if answered is None:
            raise
        return answered  # paid when the model had a price
    # A stored answer is returned even where the request would no longer fit: limits may have been lowered.
    if _find_obstacle(size, allowed, wanted, ceiling_usd):
        stored = ledger.find_stored_call(wanted.stage_id, wanted.digest)
        if stored is not None:
            return AnswerStored(stored)  # paid before, so nothing is in its way
        size, counted = _count_bound(count, request, provider, size), True
    obstacle = _find_obstacle(size, allowed, wanted, ceiling_usd)
    if obstacle is not None:
        raise obstacle
    verdict = limiter.acquire(_with_size(wanted, size), allowed)
    # The bytes are several times the tokens. The count costs a round trip, so it is asked for only where the
    # difference may decide, and at most once.
    if isinstance(verdict, Denied) and verdict.dimension in _BOUND_HURTS and not counted:
        smaller = _count_bound(count, request, provider, size)
        if smaller.tokens < size.tokens:
            size = smaller
            verdict = limiter.acquire(_with_size(wanted, size), allowed)
    if isinstance(verdict, Denied):
        if wanted.budget is not None and verdict.dimension.startswith("repo_"):
            raise RepoRefused(_with_size(wanted, size), verdict, wanted.budget)
        raise CallRefused(_with_size(wanted, size), verdict, allowed)
    return verdict


def _record_refusal(wanted: ReservationRequest, allowed: Limits, error: UnknownModel) -> AnswerStored | None:
    """Give a call that must not leave a row in the ledger: nothing is reserved, and its end says why.

    Returns the stored answer to the same request, if there is one.
    """
    verdict = limiter.acquire(replace(wanted, tokens=0, nano_usd=0), allowed)
    if isinstance(verdict, Admitted):
        limiter.release(verdict.call_id, wanted.provider, code=error.code, message=str(error))
    return verdict if isinstance(verdict, AnswerStored) else None


def describe_denial(provider: str, denied: Denied, allowed: Limits) -> str:
    """Say why a call waits. The text is kept, so it names moments exactly (``read_moments``)."""
    returns = f"capacity returns {write_moment(denied.until)}"
    waits = "waiting for calls under way to settle" if denied.reservations_only else returns
    tokens_percent = _percent_of(denied.used, allowed.tokens_day)
    budget_percent = _percent_of(denied.used, allowed.nano_day)
    probe = f"next probe {write_moment(denied.until)}"
    if denied.reservations_only:
        probe = "one probe is under way"
    if denied.reservations_only and denied.dimension == "not_before":
        return f"{provider}: refused several times; one call finds out whether that is over"
    # The words of the refusal that everybody waits for; read only where it is what denies.
    words = _read_refusal(provider) if denied.dimension == "not_before" else ""
    texts = {
        "paused": "paused by an operator",
        "not_before": f"the provider asked to wait until {write_moment(denied.until)}{words}",
        "breaker": f"calls failed; {probe}",
        "quota": f"{tokens_percent} % of daily tokens used; {returns}",
        "tokens_day": f"{tokens_percent} % of daily tokens used or reserved; {waits}",
        "tokens_minute": f"tokens a minute reached; {returns}",
        "requests_minute": f"requests a minute reached; {returns}",
        "concurrency": f"all {allowed.concurrency} slots are taken; {waits}",
        "usd_day": f"{budget_percent} % of the daily budget used or reserved; {waits}",
    }
    return f"{provider}: {texts[denied.dimension]}"


def _describe_repo_denial(repo: str, denied: Denied, budget: RepoBudget) -> str:
    """Say that it is the repo's own budget, how large it is, and when more of it comes back."""
    returns = f"more at {write_moment(denied.until)}"
    if denied.reservations_only:
        returns = "waiting for its calls under way to settle"
    if denied.dimension == "repo_usd_day":
        spent, most = Decimal(denied.used) / limiter.NANO, Decimal(budget.nano_day) / limiter.NANO
        return f"repo {repo} used {spent:.2f} of its {most:.2f} USD of today; {returns}"
    return f"repo {repo} used {denied.used:,} of its {budget.tokens_day:,} tokens of today; {returns}"


def _read_refusal(provider: str) -> str:
    found = ProviderState.objects.filter(provider=provider).values_list("wait_reason", flat=True).first()
    return f" ({found.removeprefix(f'{provider}: ')})" if found else ""


def _find_obstacle(
    size: RequestBound, allowed: Limits, wanted: ReservationRequest, ceiling_usd: Decimal | None
) -> NeverAdmissible | None:
    """Say why a request of this size does not fit even into empty quotas; None if it does."""
    provider, budget = wanted.provider, wanted.budget
    use = f"{provider}: the request may use {size.tokens:,} tokens"
    if size.tokens > allowed.tokens_day:
        return NeverAdmissible(f"{use}, the daily quota is {allowed.tokens_day:,}")
    # A minute's limit too can never admit it, however long the stage waits.
    if size.tokens > allowed.tokens_minute:
        return NeverAdmissible(f"{use}, the limit is {allowed.tokens_minute:,} a minute")
    if limiter.to_nano_usd(size.usd) > allowed.nano_day:
        return NeverAdmissible(
            f"{provider}: the request may cost {size.usd:.4f} USD, more than the daily budget"
        )
    if budget is not None and size.tokens > budget.tokens_day:
        return NeverAdmissible(f"{use}, repo {wanted.repo} has {budget.tokens_day:,} a day")
    if budget is not None and limiter.to_nano_usd(size.usd) > budget.nano_day:
        most = Decimal(budget.nano_day) / limiter.NANO
        return NeverAdmissible(
            f"{provider}: the request may cost {size.usd:.4f} USD, "
            f"repo {wanted.repo} has {most:.2f} USD a day"
        )
    if ceiling_usd is not None and size.usd > ceiling_usd:
        # Calls of unknown use may have taken the flow below zero, which would read as a debt.
        left = max(ceiling_usd, Decimal(0))
        return CostCeilingReached(
            f"{provider}: the request may cost up to {size.usd:.4f} USD, "
            f"the flow may still spend {left:.4f} USD"
        )
    return None


def _count_bound(count: InputCount, request: Request, provider: str, size: RequestBound) -> RequestBound:
    """Return the bound by the provider's own count, never above the bound in bytes."""
    counted = count.read()
    # An estimate does not bound anything; the bytes remain a true one.
    if counted.source is not UsageSource.COUNTED:
        return size
    return compute_bound(provider, request, min(size.input_tokens, counted.bound))


def _with_size(wanted: ReservationRequest, size: RequestBound) -> ReservationRequest:
    return replace(wanted, tokens=size.tokens, nano_usd=limiter.to_nano_usd(size.usd))


def _percent_of(part: int, whole: int) -> int:
    return 100 * part // max(whole, 1)
