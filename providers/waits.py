"""When to come back, as vendors and what is in front of them say it: bounded before anybody relies on it.

What is named here reaches state that everybody shares. A wait without a bound would stop every caller of the
provider, and one that is too large for a date would stop every reader.
"""

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

LONGEST_WAIT_SECONDS: Final = 3600.0
"""The longest that callers stay away because a vendor named a time: asking once more costs one refusal."""
LONGEST_PLAUSIBLE_SECONDS: Final = 32 * 86_400.0
"""A month's limit may be named; what is longer is a mistake, and is treated as if nothing had been named."""
# No wait is as long as these: numbers from here on are times since 1970. In seconds that is September 2001,
# in milliseconds March 1973.
_FIRST_EPOCH_SECONDS: Final = 1e9
_FIRST_EPOCH_MILLISECONDS: Final = 1e11
_NUMBER: Final = r"\d{1,12}(?:\.\d{1,12})?"
_UNIT: Final = r"ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?"
_SPAN: Final = re.compile(rf"({_NUMBER}) ?({_UNIT})(?![a-z])\s*", re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SPANS: Final = re.compile(rf"(?:{_SPAN.pattern})+", re.IGNORECASE)
# OpenAI: try again in 6m0s. Gemini: retry in 38.5s. Azure: retry after 26 seconds.
_TRY_AGAIN: Final = re.compile(
    rf"(?:try again|retry) (?:in|after) ((?:{_NUMBER} ?(?:{_UNIT})(?![a-z])\s*)+)", re.IGNORECASE
)
# The newest form of the header, as gateways send it: what remains, and the seconds until it is more.
_REMAINING: Final = re.compile(r"\br=(\d{1,12})\b.{0,200}?\bt=(\d{1,12})\b")
_SHOWN_CHARACTERS: Final = 40
_HEADER_CHARACTERS: Final = 1000
# The headers that ask for a wait, and what one of their units is in seconds; the last one is Azure's.
_ASKING: Final = {"retry-after": 1.0, "retry-after-ms": 0.001, "x-ms-retry-after-ms": 0.001}


@dataclass(frozen=True, slots=True)
class NamedWait:
    """What a vendor named: seconds from 0 to ``LONGEST_WAIT_SECONDS``, or None; and what was nonsense."""

    seconds: float | None = None
    nonsense: str = ""


def read_wait(headers: Mapping[str, str], message: str = "", named: Iterable[float] = ()) -> NamedWait:
    """Read when to come back; ``named`` are the seconds that the body had in a field of its own.

    What asks for a wait (``retry-after``, RetryInfo) counts before what describes a limit: the reset headers
    tell when a bucket is wholly full again. The text of the message is the last resort.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    asked: list[tuple[str, float | None]] = [(f"{wait:g} s", wait) for wait in named]
    for name, scale in _ASKING.items():
        if name in lower:
            asked.append((f"{name}: {lower[name]}", _parse_wait(lower[name], scale)))
    # Anthropic and OpenAI name these headers differently; both names have ``ratelimit`` and ``-reset`` in
    # them.
    resets = [
        (f"{name}: {value}", _parse_wait(value))
        for name, value in lower.items()
        if "ratelimit" in name and "-reset" in name and _is_used_up(lower, name)
    ]
    told_limits = _REMAINING.findall(lower.get("ratelimit", "")[:_HEADER_CHARACTERS])
    resets += [(f"ratelimit: t={wait}", float(wait)) for left, wait in told_limits if int(left) == 0]
    told = _TRY_AGAIN.search(message[:2000])
    texts = [] if told is None else [(told[0], parse_span(told[1]))]
    usable = None
    for group in (asked, resets, texts):
        usable = longest_wait(wait for _, wait in group if wait is not None and wait > 0)
        if usable is not None:
            break
    wrong = [words for words, wait in (*asked, *resets, *texts) if wait is None or not is_plausible(wait)]
    return NamedWait(usable, wrong[0][:_SHOWN_CHARACTERS] if wrong else "")


def is_plausible(wait: float) -> bool:
    """Return whether a vendor can mean this many seconds."""
    return math.isfinite(wait) and 0 < wait <= LONGEST_PLAUSIBLE_SECONDS


def longest_wait(waits: Iterable[float]) -> float | None:
    """Return the longest plausible wait in seconds, at most ``LONGEST_WAIT_SECONDS``; None without any."""
    return max((min(wait, LONGEST_WAIT_SECONDS) for wait in waits if is_plausible(wait)), default=None)


def parse_span(span: str) -> float | None:
    """Parse a span such as ``17s``, ``6m0s``, ``1d2h``, ``120ms`` or ``26 seconds`` into seconds; None for
    anything else.
    """
    span = span.strip()
    if len(span) > _SHOWN_CHARACTERS or not _SPANS.fullmatch(span):
        return None
    return sum(float(number) * _SECONDS[_shorten_unit(unit)] for number, unit in _SPAN.findall(span))


def _shorten_unit(unit: str) -> str:
    unit = unit.lower()
    return "ms" if unit.startswith(("ms", "milli")) else unit[0]


def read_retry_info(details: Any) -> list[float]:
    """Return the seconds named by ``google.rpc.RetryInfo`` among the details of a Google error."""
    if not isinstance(details, list):
        return []
    delays = [one["retryDelay"] for one in details if isinstance(one, dict) and "retryDelay" in one]
    return [wait for delay in delays if (wait := _parse_delay(delay)) is not None]


def _parse_delay(delay: Any) -> float | None:
    """Return the seconds of a ``google.protobuf.Duration``: a span in JSON, its fields at some proxies."""
    if isinstance(delay, dict):
        delay = delay.get("seconds")
    plain = _parse_number(str(delay).removesuffix("s"))
    return plain if plain is not None else parse_span(str(delay))


def _is_used_up(headers: Mapping[str, str], reset: str) -> bool:
    """Return whether the limit behind a reset header has nothing left.

    Vendors send the reset of every limit, also of one with room left, for which nobody has to wait.
    """
    left = _parse_number(headers.get(reset.replace("-reset", "-remaining"), ""))
    return left is not None and left <= 0


def _parse_number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _parse_wait(value: str, scale: float = 1.0) -> float | None:
    """Return the seconds from now of a number, a span, an RFC 3339 time or an HTTP date."""
    value = value.strip()[:_SHOWN_CHARACTERS]
    plain = _parse_number(value)
    if plain is None:
        # Two proxies that each add the header give ``30, 30``.
        numbers = [_parse_number(part) for part in value.split(",")]
        plain = None if None in numbers else max(number for number in numbers if number is not None)
    if plain is not None and plain >= _FIRST_EPOCH_SECONDS:
        # Some proxies write the time of a reset instead of the time until it, in seconds or in milliseconds.
        instant = plain / 1000 if plain >= _FIRST_EPOCH_MILLISECONDS else plain
        return instant - time.time()
    if plain is not None:
        return plain * scale
    # OpenAI writes the time until a reset as a span, Anthropic as a time.
    span = parse_span(value)
    return span if span is not None else _seconds_until(value)


def _seconds_until(value: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            instant = read(value)
            # A time without a zone is in UTC. Read as local time, it would shift the wait by hours.
            aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
            return aware.timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            continue
    return None
