"""Translate a vendor's HTTP answer into an error: its status, its error codes, and when to come back."""

import math
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from providers.base import (
    AccountExhausted,
    AuthenticationFailed,
    BadRequest,
    ConnectionCut,
    Overloaded,
    ProviderError,
    RateLimited,
    ServerFailed,
    TimedOut,
    UnknownModel,
)

_BY_STATUS: Final[Mapping[int, type[ProviderError]]] = {
    401: AuthenticationFailed,
    402: AccountExhausted,
    403: AuthenticationFailed,
    404: UnknownModel,
    408: TimedOut,  # the vendor gave up on a request that it had begun
    409: ServerFailed,
    499: ConnectionCut,
    # Google answers 503, Anthropic 529, for the same: up, but too busy.
    503: Overloaded,
    504: TimedOut,
    529: Overloaded,
}
# Codes that say more than the status they come with.
_BY_CODE: Final[Mapping[str, type[ProviderError]]] = {
    "insufficient_quota": AccountExhausted,
    "billing_error": AccountExhausted,
    "model_not_found": UnknownModel,
    "API_KEY_INVALID": AuthenticationFailed,
    "overloaded_error": Overloaded,
}
LONGEST_WAIT_SECONDS: Final = 3600.0
"""The longest that callers stay away because a vendor named a time."""
# No wait is as long as these: numbers from here on are times since 1970. In seconds that is September 2001,
# in milliseconds March 1973.
_FIRST_EPOCH_SECONDS: Final = 1e9
_FIRST_EPOCH_MILLISECONDS: Final = 1e11
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def error_from_status(
    provider: str,
    status: int,
    message: str,
    *,
    codes: Iterable[str] = (),
    headers: Mapping[str, str],
    waits: Iterable[float] = (),
) -> ProviderError:
    """Return the error for an HTTP ``status`` of a vendor.

    ``codes`` are the vendor's own error codes, ``waits`` seconds that its body named (Google's RetryInfo).
    """
    # Vendors send several waits at once, one per limit; the call fits only after all of them.
    after = longest_wait([*waits, *read_header_waits(headers)])
    # A code is more exact than a status: 429 with insufficient_quota does not end by waiting.
    kind = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None) or _BY_STATUS.get(status)
    detail = f"HTTP {status}: {message[:2000]}"
    if kind is None and status == 429:
        return RateLimited(provider, detail, retry_after_seconds=after)
    error = (kind or (ServerFailed if status >= 500 else BadRequest))(provider, detail)
    error.retry_after_seconds = after
    return error


def longest_wait(waits: Iterable[float]) -> float | None:
    """Return the longest of the waits in seconds, from 0 to ``LONGEST_WAIT_SECONDS``; None when there is
    none.

    What a vendor or a proxy names reaches state that everybody shares, so it is bounded here: a wait without
    a bound would stop every caller of the provider, and one that is too large for a date would stop every
    reader. Asking once more after the bound costs one refused call.
    """
    bounded = [min(max(0.0, wait), LONGEST_WAIT_SECONDS) for wait in waits if math.isfinite(wait)]
    return max(bounded, default=None)


def read_header_waits(headers: Mapping[str, str]) -> list[float]:
    """Return the seconds to wait by ``retry-after``, ``retry-after-ms`` and the reset headers of limits that
    are used up.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    waits = [_parse_wait(lower["retry-after"])] if "retry-after" in lower else []
    if "retry-after-ms" in lower:
        waits.append(_parse_number(lower["retry-after-ms"], 0.001))
    # Anthropic and OpenAI name these headers differently; both names have ``ratelimit`` and ``-reset`` in
    # them.
    for name, value in lower.items():
        if "ratelimit" in name and "-reset" in name and _is_used_up(lower, name):
            waits.append(_parse_wait(value))
    return [wait for wait in waits if wait is not None]


def parse_span(span: str) -> float | None:
    """Parse a span such as ``17s``, ``6m0s`` or ``120ms`` into seconds; None for anything else."""
    parts = _SPAN.findall(span.strip())
    if not parts or "".join(number + unit for number, unit in parts) != span.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def read_retry_info(details: Iterable[Any]) -> list[float]:
    """Return the seconds named by ``google.rpc.RetryInfo`` among the details of a Google error."""
    spans = (str(one.get("retryDelay", "")) for one in details if isinstance(one, dict))
    return [wait for span in spans if (wait := parse_span(span)) is not None]


def _is_used_up(headers: Mapping[str, str], reset: str) -> bool:
    """Return whether the limit behind a reset header has nothing left.

    Vendors send the reset of every limit, also of one with room left, for which nobody has to wait.
    """
    return headers.get(reset.replace("-reset", "-remaining"), "").strip() == "0"


def _parse_number(value: str, scale: float = 1.0) -> float | None:
    try:
        return float(value) * scale
    except ValueError:
        return None


def _parse_wait(value: str) -> float | None:
    """Return the seconds from now of a number, a span, an RFC 3339 time or an HTTP date."""
    plain = _parse_number(value)
    if plain is not None and plain >= _FIRST_EPOCH_SECONDS:
        # Some proxies write the time of a reset instead of the time until it, in seconds or in milliseconds.
        instant = plain / 1000 if plain >= _FIRST_EPOCH_MILLISECONDS else plain
        return instant - time.time()
    if plain is None:
        # OpenAI writes the time until a reset as a span, Anthropic as a time.
        plain = parse_span(value)
    return plain if plain is not None else _seconds_until(value)


def _seconds_until(value: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            instant = read(value.strip())
        except (ValueError, TypeError, OverflowError):
            continue
        # A time without a zone is in UTC. Read as local time, it would shift the wait by hours.
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return aware.timestamp() - time.time()
    return None
