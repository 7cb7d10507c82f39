"""Admission: a call leaves only with a reservation, and a reservation ends in exactly one settlement.

A reservation is a lease: a ledger row in status ``reserved`` and its tokens, USD and slot in the counters. The arithmetic is
in the database (``sql/functions.sql``), one short transaction for each function below. Nothing is rounded: tokens are
whole and money is counted in nano-USD.
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
from providers.base import Usage
from providers.breaker import HEALTH
from providers.models import CallStatus

NANO: Final = 1_000_000_000
LEASE_MARGIN_SECONDS: Final = 30.0  # a lease outlives the call's own timeout by this

# How long a change that must not be lost is tried while the database is away: longer than a restart takes.
_ACQUIRE_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 30.0

_PARAMETERS: Final = (
    "%s::uuid, %s::text, %s::text, %s::bigint, %s::bigint, %s::float8,"
    " %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::text, %s::text, %s::text, %s::bigint, %s::bigint, %s::text, %s::text"
)
# The procedure commits half-way, to wait for the disk without its locks; inside a transaction only the function can be used.
_ACQUIRE_DURABLY: Final = f"CALL provider_acquire_durably({_PARAMETERS}, NULL, NULL, NULL, NULL, NULL, NULL)"
_ACQUIRE: Final = f"SELECT outcome, until, reservations_only, used, answered_call, asked_at FROM provider_acquire({_PARAMETERS})"  # noqa: S608
_SETTLE: Final = (
    "SELECT provider_settle(%s::uuid, %s::text, %s::text, %s::bigint[], %s::numeric, %s::jsonb, %s::text, %s::text, %s::int,"
    " %s::int, %s::float8, %s::int, %s::int, %s::int, %s::int, %s::jsonb, %s::jsonb)"
)


class Health(IntEnum):
    """What the end of a call says about the provider."""

    FAILED = -1
    SILENT = 0
    WELL = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What one provider may be asked: tokens and requests, nano-USD over all providers, used tokens that pause (0: never)."""

    tokens_day: int
    tokens_minute: int
    requests_minute: int
    concurrency: int
    nano_day: int
    pause_tokens: int = 0

    def as_parameters(self) -> list[int]:
        """In the order in which the database function reads them."""
        return [
            self.tokens_day,
            self.tokens_minute,
            self.requests_minute,
            self.concurrency,
            self.nano_day,
            self.pause_tokens,
        ]


def read_limits(provider: str) -> Limits:
    """The limits in force, from the settings."""
    options = settings.PROVIDERS[provider]
    quota = options["daily_token_quota"]
    percent = settings.CIRCUIT_BREAKER_THRESHOLD
    return Limits(
        tokens_day=quota,
        tokens_minute=options["tokens_per_minute"],
        requests_minute=options["requests_per_minute"],
        concurrency=options["max_concurrency"],
        nano_day=to_nano_usd(settings.DAILY_BUDGET_USD),
        pause_tokens=-(-quota * percent // 100) if settings.ENABLE_CIRCUIT_BREAKER and percent < 100 else 0,
    )


def to_nano_usd(usd: Decimal) -> int:
    """Nano-USD, rounded up."""
    return int((usd * NANO).to_integral_value(ROUND_UP))


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """What a call asks for: a hard bound of its tokens (input and output) and of its price, and on whose behalf."""

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


@dataclass(frozen=True, slots=True)
class Admitted:
    """The reservation of a call that may leave now."""

    call_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class AnswerStored:
    """The stage has a stored answer to this very request."""

    call_id: UUID


@dataclass(frozen=True, slots=True)
class Denied:
    """Which dimension denied and when it would admit; ``reservations_only``: only open reservations, settled any moment, are in the way.

    ``dimension`` is one of ``paused not_before breaker quota tokens_day tokens_minute requests_minute concurrency usd_day``;
    ``quota`` is the quota breaker: used tokens have reached the threshold. ``used`` is what the dimension stands at.
    """

    dimension: str
    until: datetime
    reservations_only: bool
    used: int
    asked_at: datetime


def acquire(wanted: ReservationRequest, limits: Limits | None = None) -> Admitted | AnswerStored | Denied:
    """Reserve all that ``wanted`` needs, or nothing. Durable when it returns."""
    tried: list[UUID] = []

    def reserve() -> Any:
        tried.append(uuid4())
        sql = _ACQUIRE if database.in_transaction() else _ACQUIRE_DURABLY
        return database.fetch_row(
            sql, _acquire_parameters(tried[-1], wanted, limits or read_limits(wanted.provider))
        )

    outcome, until, held, filled, answered, asked_at = database.retry_while_away(
        reserve, seconds=_ACQUIRE_SECONDS
    )
    for lost in tried[:-1]:  # the answer was lost, so the reservation may be there: nothing left under it
        release(lost, wanted.provider)
    if outcome == "":
        return Admitted(tried[-1], wanted.provider)
    if outcome == "replay":
        return AnswerStored(answered)
    return Denied(outcome, until, bool(held), filled or 0, asked_at)


def find_denial(provider: str, *, tokens: int = 1, nano_usd: int = 0) -> Denied | None:
    """What would deny a call of this size now; None: nothing. By the same function that admits, and nothing is reserved."""
    wanted = ReservationRequest(provider, "", tokens, nano_usd, timeout_seconds=0)
    outcome, until, held, filled, _, asked_at = database.fetch_row(
        _ACQUIRE, _acquire_parameters(None, wanted, read_limits(provider))
    )
    return Denied(outcome, until, bool(held), filled or 0, asked_at) if outcome else None


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
    kept: tuple[str | None, str | None] = (None, None),
) -> bool:
    """Replace the reservation by what was used, in the hour of the lease; overage is charged too. False: settled before.

    ``kept`` is what the provider said (``ledger.kept``), stored with it.
    """
    parts = [
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    ]
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
        kept=kept,
    )


def release(
    call_id: UUID,
    provider: str,
    *,
    code: str = "",
    message: str = "",
    latency_ms: int | None = None,
    health: Health = Health.SILENT,
    pause_seconds: float | None = None,
) -> bool:
    """Nothing was used: give all back. ``pause_seconds`` keeps everybody away that long; -1: as long as seems wise."""
    return _end_reservation(
        call_id,
        provider,
        CallStatus.RELEASED,
        code=code,
        message=message,
        latency_ms=latency_ms,
        health=health,
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
) -> bool:
    """What was used is not known: the reservation stays charged as unknown spend, its slot is free again."""
    return _end_reservation(
        call_id,
        provider,
        CallStatus.UNKNOWN,
        code=code,
        message=message,
        latency_ms=latency_ms,
        health=health,
    )


def _acquire_parameters(call_id: UUID | None, wanted: ReservationRequest, limits: Limits) -> list[Any]:
    return [
        call_id,
        wanted.provider,
        wanted.model,
        wanted.tokens,
        wanted.nano_usd,
        wanted.timeout_seconds + LEASE_MARGIN_SECONDS,
        *limits.as_parameters(),
        wanted.repo,
        wanted.stage_kind,
        wanted.flow_id,
        wanted.stage_id,
        wanted.attempt_id,
        wanted.digest,
        wanted.fallback_from,
    ]


def _end_reservation(
    call_id: UUID,
    provider: str,
    status: CallStatus,
    *,
    parts: list[int] | None = None,
    usd: Decimal = Decimal(0),
    price: Mapping[str, Any] | None = None,
    code: str = "",
    message: str = "",
    latency_ms: int | None = None,
    health: Health = Health.SILENT,
    pause_seconds: float | None = None,
    kept: tuple[str | None, str | None] = (None, None),
) -> bool:
    row = [
        call_id,
        provider,
        status.value,
        database.format_array(parts or ()),
        usd,
        json.dumps(dict(price or {})),
        code,
        message,
        latency_ms,
        int(health),
        pause_seconds,
        *HEALTH.as_parameters(),
        *kept,
    ]
    return bool(
        database.retry_while_away(lambda: database.fetch_row(_SETTLE, row), seconds=_SETTLE_SECONDS)[0]
    )
