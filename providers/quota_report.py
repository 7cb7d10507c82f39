"""Report the quotas: for every screen, and for the dispatcher before it wakes a waiting stage.

Nothing here reserves anything.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum

from providers import admission, limiter
from providers.base import AccountExhausted
from providers.breaker import REFUSALS_BEFORE_PROBE, QuotaLevel, quota_level
from providers.limiter import NANO
from providers.models import (
    HOURS,
    SECONDS,
    BreakerState,
    BudgetState,
    CallStatus,
    ProviderCall,
    ProviderState,
)


@dataclass(frozen=True, slots=True)
class Hint:
    """Whether a call may go now; if not, what denies, why in words, and when it is worth asking again."""

    provider: str
    admits: bool
    dimension: str = ""
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Headroom:
    """What a provider would admit now: so many calls, with together so many tokens and nano-USD."""

    calls: int
    tokens: int = 0
    nano_usd: int = 0

    def fits(self, tokens: int, nano_usd: int) -> bool:
        """Return whether one more call of this size would be admitted."""
        return self.calls > 0 and tokens <= self.tokens and nano_usd <= self.nano_usd

    def less(self, calls: int, tokens: int, nano_usd: int) -> "Headroom":
        """Return what is left after so many calls of together this size."""
        return Headroom(self.calls - calls, self.tokens - tokens, self.nano_usd - nano_usd)


@dataclass(frozen=True, slots=True)
class Hour:
    """One bar of the chart: tokens charged to the calls that were admitted in the hour from ``start``."""

    start: datetime
    tokens: int


@dataclass(frozen=True, slots=True)
class ProviderQuota:
    """One provider, now.

    Tokens and requests are counts; ``used`` excludes what is only ``reserved``; ``percent`` is of used.
    """

    provider: str
    limit: int
    used: int
    reserved: int
    percent: float
    level: QuotaLevel
    tokens_minute: int
    tokens_minute_limit: int
    requests_minute: int
    requests_minute_limit: int
    inflight: int
    concurrency_limit: int
    breaker: str
    breaker_until: datetime | None
    not_before: datetime | None
    account_exhausted: bool
    paused: bool
    pause_reason: str
    usd: Decimal
    unknown_calls: int
    unknown_usd: Decimal
    next_capacity: Hint
    hours: tuple[Hour, ...]


@dataclass(frozen=True, slots=True)
class Quotas:
    """Every provider, and the daily budget over all of them, in USD over the last 24 hours in whole hours."""

    at: datetime
    providers: tuple[ProviderQuota, ...]
    usd_used: Decimal
    usd_limit: Decimal
    circuit_breaker_enabled: bool
    circuit_breaker_threshold: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists, for JSON encoders that know datetimes and Decimals."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Load:
    """A state row as of now: what its windows hold at this moment, without leases that ran out."""

    day: int = 0
    reserved: int = 0
    minute_tokens: int = 0
    minute_requests: int = 0
    inflight: int = 0
    hours: Mapping[int, int] | None = None


def admission_hint(provider: str, *, tokens: int = 1, nano_usd: int = 0) -> Hint:
    """Say whether a call of this size would be admitted now, and if not, when to ask again."""
    denied = limiter.find_denial(provider, tokens=tokens, nano_usd=nano_usd)
    if denied is None:
        return Hint(provider, admits=True)
    dimension = "tokens_day" if denied.dimension == "quota" else denied.dimension
    return Hint(
        provider,
        False,
        dimension,
        admission.describe_denial(provider, denied, limiter.read_limits(provider)),
        denied.until,
    )


def read_headroom(provider: str) -> Headroom:
    """Return what could be admitted at once.

    Nothing while anything denies a call; a single call, the probe, while the breaker is half-open.
    """
    if limiter.find_denial(provider) is not None:
        return Headroom(0)
    state, allowed = ProviderState.objects.filter(provider=provider).first(), limiter.read_limits(provider)
    load = _read_load(state, read_clock())
    calls = min(allowed.concurrency - load.inflight, allowed.requests_minute - load.minute_requests)
    if state and (state.breaker == BreakerState.OPEN or state.throttles >= REFUSALS_BEFORE_PROBE):
        # Half-open, or refused several times: exactly one probe may leave.
        calls = min(calls, 1)
    return Headroom(
        calls=calls,
        tokens=min(allowed.tokens_day - load.day, allowed.tokens_minute - load.minute_tokens),
        nano_usd=allowed.nano_day - limiter.to_nano_usd(_sum_usd_used(read_clock())),
    )


def rollback_signal() -> tuple[str, ...]:
    """Return the providers whose daily tokens are used up to the share at which the rollout is rolled back;
    none without the breaker.
    """
    return tuple(one.provider for one in read_quotas().providers if one.level is QuotaLevel.ROLLBACK)


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers."""
    return tuple(settings.PROVIDERS)


def read_quotas() -> Quotas:
    """Read all quotas as of one moment of the limiter's clock."""
    # Asked first: a provider that was never called gets its row, with what the ledger says, by being asked.
    hints = {name: admission_hint(name) for name in provider_names()}
    at = read_clock()
    states = {state.provider: state for state in ProviderState.objects.all()}
    spent = _sum_spent(at)
    return Quotas(
        at=at,
        providers=tuple(
            _build_quota(name, states.get(name), spent.get(name, {}), hints[name], at)
            for name in provider_names()
        ),
        usd_used=_sum_usd_used(at),
        usd_limit=settings.DAILY_BUDGET_USD,
        circuit_breaker_enabled=settings.ENABLE_CIRCUIT_BREAKER,
        circuit_breaker_threshold=settings.CIRCUIT_BREAKER_THRESHOLD,
    )


def _build_quota(
    name: str, state: ProviderState | None, spent: Mapping[str, Any], hint: Hint, now: datetime
) -> ProviderQuota:
    allowed = limiter.read_limits(name)
    load = _read_load(state, now)
    # The counters hold the reservations too: a reserved token is charged until its call ends.
    used = load.day - load.reserved
    # A provider that was never called has no row, and reads like an idle one.
    state = state or ProviderState(provider=name)
    # A time that has passed stays in the row until it is overwritten; for people the wait is over.
    asked_to_wait = state.not_before is not None and state.not_before > now
    return ProviderQuota(
        provider=name,
        limit=allowed.tokens_day,
        used=used,
        reserved=load.reserved,
        percent=round(100 * used / allowed.tokens_day, 1),
        level=quota_level(used, allowed.tokens_day),
        tokens_minute=load.minute_tokens,
        tokens_minute_limit=allowed.tokens_minute,
        requests_minute=load.minute_requests,
        requests_minute_limit=allowed.requests_minute,
        inflight=load.inflight,
        concurrency_limit=allowed.concurrency,
        breaker=_breaker_status(state, now),
        breaker_until=state.open_until,
        not_before=state.not_before if asked_to_wait else None,
        account_exhausted=state.wait_code == AccountExhausted.code,
        paused=state.paused,
        pause_reason=state.pause_reason,
        usd=spent.get("usd") or Decimal(0),
        unknown_calls=spent.get("unknown_calls") or 0,
        unknown_usd=spent.get("unknown_usd") or Decimal(0),
        next_capacity=hint,
        hours=_hour_bars(load, now),
    )


def _breaker_status(state: ProviderState, now: datetime) -> str:
    if state.breaker == BreakerState.CLOSED:
        return "closed"
    # Half-open is not stored: the time alone turns an open breaker into one that takes a probe.
    if state.open_until and state.open_until > now:
        return "open"
    return "half-open"


def _read_load(state: ProviderState | None, now: datetime) -> _Load:
    if state is None:
        return _Load()
    # The row is as old as the last call, so buckets that have left the window since are still in its sums.
    # Never behind the row: another session may have moved it on since the clock was read.
    second = max(int(now.timestamp()), state.head_second)
    hour = max(second // 3600, state.head_hour)
    hours = _live_buckets(state.hour_tokens, state.head_hour, hour)
    seconds = range(second - SECONDS + 1, state.head_second + 1)
    # Leases that ran out are ended by the next call only; here they are left out as if that had happened.
    lapsed = ProviderCall.objects.filter(
        provider=state.provider, status=CallStatus.RESERVED, lease_until__lt=now
    )
    gone = lapsed.aggregate(count=Count("id"), tokens=Sum("reserved_tokens"))
    return _Load(
        day=sum(hours.values()),
        reserved=state.reserved_tokens - (gone["tokens"] or 0),
        minute_tokens=sum(state.second_tokens[one % SECONDS] for one in seconds),
        minute_requests=sum(state.second_requests[one % SECONDS] for one in seconds),
        inflight=state.inflight - gone["count"],
        hours=hours,
    )


def _live_buckets(buckets: list[int], head: int, now: int) -> dict[int, int]:
    """Return the buckets that are still in the window when it ends at ``now``."""
    span = len(buckets)
    return {one: buckets[one % span] for one in range(now - span + 1, head + 1)}


def _hour_bars(load: _Load, now: datetime) -> tuple[Hour, ...]:
    last, tokens = int(now.timestamp()) // 3600, load.hours or {}
    return tuple(
        Hour(datetime.fromtimestamp(one * 3600, UTC), tokens.get(one, 0))
        for one in range(last - HOURS + 1, last + 1)
    )


def _sum_usd_used(now: datetime) -> Decimal:
    budget = BudgetState.objects.first()
    if budget is None:
        return Decimal(0)
    hour = max(int(now.timestamp()) // 3600, budget.head_hour)
    return Decimal(sum(_live_buckets(budget.hour_nano, budget.head_hour, hour).values())) / NANO


def _sum_spent(now: datetime) -> dict[str, dict[str, Any]]:
    """Sum the USD by provider since the hour of 24 hours ago, and how much of it is unknown spend."""
    # Whole hours, as the budget counts, so that the two figures agree.
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    unknown = Q(status=CallStatus.UNKNOWN)
    rows = (
        ProviderCall.objects.filter(created_at__gte=since)
        .order_by()
        .values("provider")
        .annotate(
            usd=Sum("cost_usd"),
            unknown_calls=Count("id", filter=unknown),
            unknown_usd=Sum("cost_usd", filter=unknown),
        )
    )
    return {row["provider"]: dict(row) for row in rows}


def read_clock() -> datetime:
    """Return the time of the limiter, which is the database's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT provider_now()")
        at: datetime = cursor.fetchone()[0]
    return at
