"""Admission: a call leaves only with a reservation, and a reservation ends in exactly one settlement.

A reservation is a lease: a ledger row in status ``reserved``, and its tokens, USD and slot in the counters.
The arithmetic is in the database (``sql/functions.sql``), one short transaction for each function below.
Nothing is rounded: tokens are whole, and money is counted in nano-USD.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal
from enum import IntEnum
from typing import Any, Final
from uuid import UUID, uuid4

from django.conf import settings

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from providers.base import Usage, UsageSource
from providers.breaker import HEALTH, REFUSALS_BEFORE_PROBE
from providers.models import CallStatus
from providers.plain_text import clean_text

_SQL: Final = load_statements(__file__)

NANO: Final = 1_000_000_000
# A lease outlives the call's own timeout by this, so that a slow settlement does not look like a dead caller.
LEASE_MARGIN_SECONDS: Final = 30.0

# How long a change that must not be lost is tried while the database is away. A reservation gives up early,
# because its stage can wait without a worker; a settlement is worth more than the longest restart, because it
# was paid for.
_ACQUIRE_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 30.0


class Health(IntEnum):
    """What the end of a call says about the provider."""

    FAILED = -1
    SILENT = 0
    WELL = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What one provider may be asked: tokens and requests, and nano-USD over all providers.

    ``pause_tokens`` are the used tokens at which the quota breaker pauses; 0: never.
    """

    tokens_day: int
    tokens_minute: int
    requests_minute: int
    concurrency: int
    nano_day: int
    pause_tokens: int = 0


def read_limits(provider: str) -> Limits:
    """Return the limits in force, from the settings."""
    options = settings.PROVIDERS[provider]
    quota = options["daily_token_quota"]
    percent = settings.CIRCUIT_BREAKER_THRESHOLD
    pause_tokens = 0
    # At 100 % the quota itself denies, so the breaker would add nothing.
    if settings.ENABLE_CIRCUIT_BREAKER and percent < 100:
        # Rounded up, by rounding the negative down: the threshold pauses, not the token before it.
        pause_tokens = -(-quota * percent // 100)
    return Limits(
        tokens_day=quota,
        tokens_minute=options["tokens_per_minute"],
        requests_minute=options["requests_per_minute"],
        concurrency=options["max_concurrency"],
        nano_day=to_nano_usd(settings.DAILY_BUDGET_USD),
        pause_tokens=pause_tokens,
    )


def to_nano_usd(usd: Decimal) -> int:
    """Return USD in nano-USD, rounded up."""
    # Up, because a bound that is rounded down is not a bound.
    return int((usd * NANO).to_integral_value(ROUND_UP))


@dataclass(frozen=True, slots=True)
class RepoBudget:
    """What one repo may use in any 24 hours, at all providers together: tokens and nano-USD."""

    tokens_day: int
    nano_day: int


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """What a call asks for: a hard bound of its tokens (input and output) and of its price, and on whose
    behalf. ``budget`` bounds its repo; None: the repo may use what the others leave.
    """

    provider: str
    model: str
    tokens: int
    nano_usd: int
    timeout_seconds: float
    digest: str = ""
    repo: str = ""
    stage_kind: str = ""
    flow_id: str | None = None
    stage_id: int | None = None
    attempt_id: int | None = None
    fallback_from: str = ""
    budget: RepoBudget | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The reservation of a call that may leave now, with the tokens that it holds."""

    call_id: UUID
    provider: str
    tokens: int


@dataclass(frozen=True, slots=True)
class AnswerStored:
    """The stage has a stored answer to this very request."""

    call_id: UUID


@dataclass(frozen=True, slots=True)
class Denied:
    """Which dimension denied a call and when it would admit it.

    ``dimension`` is one of ``repo_tokens_day repo_usd_day paused not_before breaker quota tokens_day
    tokens_minute requests_minute concurrency usd_day``. The first two are the repo's own budget; ``quota`` is
    the quota breaker: used tokens have reached the threshold.
    ``reservations_only``: only open reservations are in the way, and they may be settled at any moment.
    ``used`` is what the dimension has reached.
    """

    dimension: str
    until: datetime
    reservations_only: bool
    used: int
    asked_at: datetime


def acquire(wanted: ReservationRequest, limits: Limits | None = None) -> Admitted | AnswerStored | Denied:
    """Reserve all that ``wanted`` needs, or nothing. The reservation is on the disk when this returns."""
    # The procedure commits halfway, to wait for the disk without its locks. PostgreSQL allows that only
    # outside a transaction; inside one, the function is called, and its locks are held until the caller
    # commits.
    statement = _SQL["acquire_reservation_durably"]
    if database.in_transaction():
        statement = _SQL["acquire_reservation"]
    in_force = limits or read_limits(wanted.provider)
    tried: list[UUID] = []

    def try_once() -> Any:
        # A new id for each try: the one before may have been reserved although its answer was lost.
        tried.append(uuid4())
        return database.fetch_row(statement, _acquire_parameters(tried[-1], wanted, in_force))

    row = database.retry_while_away(try_once, seconds=_ACQUIRE_SECONDS)
    for lost in tried[:-1]:
        # No call was sent under these ids, so their reservations are given back in full.
        release(lost, wanted.provider)
    if row.outcome == "":
        return Admitted(tried[-1], wanted.provider, wanted.tokens)
    if row.outcome == "replay":
        return AnswerStored(row.answered_call)
    return _read_denial(row)


def find_denial(provider: str, *, tokens: int = 1, nano_usd: int = 0) -> Denied | None:
    """Return what would deny a call of this size now; ``None`` if nothing does.

    The same database function decides as for a call, but reserves nothing.
    """
    # No id: the database function then decides and writes nothing.
    wanted = ReservationRequest(provider, "", tokens, nano_usd, timeout_seconds=0)
    parameters = _acquire_parameters(None, wanted, read_limits(provider))
    # It locks as for a call, first the provider, then the budget. A transaction would keep both; the question
    # about the next provider then waits for a call there, which waits for the budget: a deadlock.
    with database.undo_in_transaction():
        row = database.fetch_row(_SQL["acquire_reservation"], parameters)
    return _read_denial(row) if row.outcome else None


def settle(
    call_id: UUID,
    provider: str,
    usage: Usage,
    usd: Decimal,
    price: Mapping[str, Any],
    *,
    code: str = "",
    message: str = "",
    latency_ms: int | None = None,
    health: Health = Health.WELL,
    failure_points: int = HEALTH.failure,
    pause_seconds: float | None = None,
    kept: tuple[str | None, str | None] = (None, None),
    source: UsageSource = UsageSource.REPORTED,
    answered_by: str = "",
) -> bool:
    """Replace the reservation by what was used, in the hour of the lease; what exceeds it is charged too.

    ``kept`` is what the provider said (``ledger.prepare_answer``), stored with the settlement. ``source``
    marks where ``usage`` comes from, ``answered_by`` is the model that answered. Returns false if the call
    was settled before.
    """
    parts = [
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    ]
    # The hour of the lease gets the charge, not the current one: what is given back and what is charged
    # must leave the window together.
    return _end_reservation(
        call_id,
        provider,
        CallStatus.SETTLED,
        parts=parts,
        usd=usd,
        price=price,
        code=code,
        message=message,
        latency_ms=latency_ms,
        health=health,
        failure_points=failure_points,
        pause_seconds=pause_seconds,
        kept=kept,
        source=source,
        answered_by=answered_by,
    )


def lower_charge(call_id: UUID, provider: str, tokens: int, usd: Decimal, source: UsageSource) -> bool:
    """Lower what an open call or one of unknown use is charged, in tokens and USD.

    ``tokens`` must still bound what an open call can use. Returns false where nothing is lower or the call
    has ended otherwise, so it may come late.
    """
    parameters = {
        "call": call_id,
        "provider": provider,
        "tokens": tokens,
        "nano_usd": to_nano_usd(usd),
        "usage_source": source.value,
    }
    row = database.retry_while_away(
        lambda: database.fetch_row(_SQL["lower_charge"], parameters), seconds=_ACQUIRE_SECONDS
    )
    return bool(row.changed)


def release(
    call_id: UUID,
    provider: str,
    *,
    code: str = "",
    message: str = "",
    latency_ms: int | None = None,
    health: Health = Health.SILENT,
    failure_points: int = HEALTH.failure,
    pause_seconds: float | None = None,
) -> bool:
    """Give the whole reservation back: nothing was used.

    ``pause_seconds`` makes every call to the provider wait at least that long. Each refusal in a row doubles
    the least pause, from a second up; -1: no time was named, so it is that one.
    """
    return _end_reservation(
        call_id,
        provider,
        CallStatus.RELEASED,
        code=code,
        message=message,
        latency_ms=latency_ms,
        health=health,
        failure_points=failure_points,
        pause_seconds=pause_seconds,
    )


def keep_charged(
    call_id: UUID,
    provider: str,
    *,
    code: str,
    message: str,
    latency_ms: int | None = None,
    health: Health = Health.FAILED,
    failure_points: int = HEALTH.failure,
) -> bool:
    """End a reservation whose use is not known: it stays charged as unknown spend, and its slot is free."""
    return _end_reservation(
        call_id,
        provider,
        CallStatus.UNKNOWN,
        code=code,
        message=message,
        latency_ms=latency_ms,
        health=health,
        failure_points=failure_points,
    )


def _read_denial(row: Any) -> Denied:
    return Denied(row.outcome, row.until, bool(row.reservations_only), row.used or 0, row.asked_at)


def _acquire_parameters(call_id: UUID | None, wanted: ReservationRequest, limits: Limits) -> dict[str, Any]:
    return {
        "call": call_id,
        "provider": wanted.provider,
        "model": wanted.model,
        "tokens": wanted.tokens,
        "nano_usd": wanted.nano_usd,
        "lease_seconds": wanted.timeout_seconds + LEASE_MARGIN_SECONDS,
        "tokens_day": limits.tokens_day,
        "tokens_minute": limits.tokens_minute,
        "requests_minute": limits.requests_minute,
        "concurrency": limits.concurrency,
        "nano_day": limits.nano_day,
        "pause_tokens": limits.pause_tokens,
        "probe_refusals": REFUSALS_BEFORE_PROBE,
        "repo": wanted.repo,
        "stage_kind": wanted.stage_kind,
        "flow": wanted.flow_id,
        "stage": wanted.stage_id,
        "attempt": wanted.attempt_id,
        "digest": wanted.digest,
        "fallback_from": wanted.fallback_from,
        "repo_tokens": None if wanted.budget is None else wanted.budget.tokens_day,
        "repo_nano": None if wanted.budget is None else wanted.budget.nano_day,
    }


def _end_reservation(
    call_id: UUID,
    provider: str,
    status: CallStatus,
    *,
    parts: list[int] | None = None,
    usd: Decimal = Decimal(0),
    price: Mapping[str, Any] | None = None,
    code: str,
    message: str,
    latency_ms: int | None,
    health: Health,
    failure_points: int,
    pause_seconds: float | None = None,
    kept: tuple[str | None, str | None] = (None, None),
    source: UsageSource = UsageSource.REPORTED,
    answered_by: str = "",
) -> bool:
    response, answer = kept
    parameters = {
        "call": call_id,
        "provider": provider,
        "status": status.value,
        # As one array in text: psycopg chooses an integer type by each number's size, so six parameters would
        # be prepared again for every combination of sizes.
        "tokens": database.format_array(parts or ()),
        "usd": usd,
        "price": json.dumps(dict(price or {})),
        "error_code": code,
        # PostgreSQL refuses NUL characters and lone surrogates, and a message may quote anything.
        "error_message": clean_text(message),
        "latency_ms": latency_ms,
        "health": int(health),
        "pause_seconds": pause_seconds,
        "opening_score": HEALTH.opens_at,
        "failure_points": failure_points,
        "first_pause": HEALTH.first_pause_seconds,
        "longest_pause": HEALTH.longest_pause_seconds,
        "response": response,
        "answer": answer,
        "usage_source": source.value,
        "answered_by": answered_by,
    }
    # Safe to try again: a reservation that has ended is left as it is, and the second try returns false.
    row = database.retry_while_away(
        lambda: database.fetch_row(_SQL["settle_reservation"], parameters), seconds=_SETTLE_SECONDS
    )
    return bool(row.changed)
