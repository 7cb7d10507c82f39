"""Treat each error that a call may end in, by one table.

``docs/reference/provider-errors.md`` shows the same table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from providers import charges, ledger, limiter, prices
from providers.base import (
    AccountExhausted,
    AccountRestricted,
    AdapterFault,
    AnswerMissing,
    AuthenticationFailed,
    BadRequest,
    ConnectionCut,
    ContentFiltered,
    ContextTooLong,
    MalformedAnswer,
    NetworkPathFailed,
    Overloaded,
    PromptCut,
    ProviderError,
    RateLimited,
    Request,
    RequestTooLarge,
    ServerFailed,
    TimedOut,
    UnknownModel,
    Unreachable,
)
from providers.breaker import HEALTH
from providers.counting import InputCount
from providers.limiter import Health
from providers.models import ProviderCall

_FIRST_CHARACTERS: Final = 2000  # of a provider's message: enough to read, and no prompt echoed back whole


class ReservationEnding(StrEnum):
    """How the reservation of a failed call ends."""

    RELEASE = "release"
    KEEP = "keep"
    SETTLE_IF_KNOWN = "settle if the usage is known, else keep"


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """The reservation's ending, what the error says of the provider's health, and whether everybody waits.

    ``first_pause_seconds``: the least that everybody waits; each refusal in a row doubles the pause from a
    second up. ``failure_points`` are what a failure adds to the health breaker's
    score.
    """

    ending: ReservationEnding
    health: Health
    everybody_waits: bool = False
    first_pause_seconds: float = 1.0
    failure_points: int = HEALTH.failure


ERROR_POLICIES: Final[Mapping[type[ProviderError], ErrorPolicy]] = {
    # A 429 tells about this account, not about the provider's health, and every other call would get one
    # too.
    RateLimited: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT, everybody_waits=True),
    # Only money helps, and that takes people longer than a limit of a minute lasts.
    AccountExhausted: ErrorPolicy(
        ReservationEnding.RELEASE, Health.SILENT, everybody_waits=True, first_pause_seconds=60.0
    ),
    Overloaded: ErrorPolicy(ReservationEnding.RELEASE, Health.FAILED),
    ServerFailed: ErrorPolicy(ReservationEnding.RELEASE, Health.FAILED),
    Unreachable: ErrorPolicy(ReservationEnding.RELEASE, Health.FAILED),
    NetworkPathFailed: ErrorPolicy(ReservationEnding.RELEASE, Health.FAILED),
    # The request had been sent, so the vendor may have generated and billed an answer.
    TimedOut: ErrorPolicy(ReservationEnding.KEEP, Health.FAILED),
    ConnectionCut: ErrorPolicy(ReservationEnding.KEEP, Health.FAILED),
    # The usage can be intact in an answer whose text is not; then its true price is charged.
    MalformedAnswer: ErrorPolicy(ReservationEnding.SETTLE_IF_KNOWN, Health.FAILED),
    # Some requests are never answered, and the provider is well; if no request is, ten in a row tell.
    AnswerMissing: ErrorPolicy(ReservationEnding.SETTLE_IF_KNOWN, Health.FAILED, failure_points=1),
    AdapterFault: ErrorPolicy(ReservationEnding.KEEP, Health.SILENT),
    # Those below are about the request or the account. The provider is well.
    BadRequest: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
    ContextTooLong: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
    PromptCut: ErrorPolicy(ReservationEnding.SETTLE_IF_KNOWN, Health.SILENT),
    RequestTooLarge: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
    ContentFiltered: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
    AccountRestricted: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
    AuthenticationFailed: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
    UnknownModel: ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT),
}
_UNLISTED: Final = ErrorPolicy(ReservationEnding.RELEASE, Health.SILENT)
_UNLISTED_SPENT: Final = ErrorPolicy(ReservationEnding.KEEP, Health.FAILED)


def find_policy(error: ProviderError) -> ErrorPolicy:
    """Return the treatment of ``error`` or of its nearest listed ancestor; else by whether tokens may have
    been used.
    """
    # A new error without a row of its own is treated as its nearest listed ancestor.
    for kind in type(error).__mro__:
        if kind in ERROR_POLICIES:
            return ERROR_POLICIES[kind]
    return _UNLISTED_SPENT if error.spent else _UNLISTED


def end_reservation(
    call_id: UUID, provider: str, request: Request, error: ProviderError, latency_ms: int, count: InputCount
) -> None:
    """End the reservation of a call that ended in ``error``."""
    treatment, message = find_policy(error), str(error)[:_FIRST_CHARACTERS]
    pause = _pause_seconds(error, treatment)
    # Stored before it is read: an operator must see the answer even if reading it fails.
    if error.raw is not None:
        ledger.store_response(call_id, error.raw)
        charge = charges.read_charge(call_id, provider, request, error.raw)
        if charge is not None:
            # Priced as of the call, not of now: a price may change in between.
            at = ProviderCall.objects.values_list("created_at", flat=True).get(id=call_id)
            cost = prices.price_usage(provider, request.model, charge.usage, at)
            limiter.settle(
                call_id,
                provider,
                charge.usage,
                max(cost.usd, charge.least_usd),
                cost.snapshot,
                source=charge.source,
                code=error.code,
                message=message,
                latency_ms=latency_ms,
                health=treatment.health,
                failure_points=treatment.failure_points,
                pause_seconds=pause,
            )
            return
    if treatment.ending is ReservationEnding.RELEASE:
        limiter.release(
            call_id,
            provider,
            code=error.code,
            message=message,
            latency_ms=latency_ms,
            health=treatment.health,
            failure_points=treatment.failure_points,
            pause_seconds=pause,
        )
        return
    limiter.keep_charged(
        call_id,
        provider,
        code=error.code,
        message=message,
        latency_ms=latency_ms,
        health=treatment.health,
        failure_points=treatment.failure_points,
    )
    # Only then, because the count takes a round trip: the slot is free, and if this process dies meanwhile,
    # the whole bound stays charged.
    charges.lower_unknown(call_id, provider, request, count, charges.find_remains(error))


def _pause_seconds(error: ProviderError, treatment: ErrorPolicy) -> float | None:
    """Return the seconds that every caller waits, as the provider named them; None where nobody waits.

    -1 is for a 429 that names no time or less than a second: the database then chooses a growing pause.
    """
    named = error.retry_after_seconds
    if not treatment.everybody_waits:
        return named
    # A vendor that refuses and names no delay would otherwise be asked again at once, for as long as it
    # refuses.
    if (named is None or named < 1.0) and treatment.first_pause_seconds <= 1.0:
        return -1.0
    return max(named or 0.0, treatment.first_pause_seconds)
