"""When a notification may be sent: back-off after failures, digests in the morning, nothing in somebody's quiet hours.

Pure: the time of the last try comes in, the time of the next goes out, both in UTC. Local time is an offset from UTC in
minutes, as the devices report it; minutes of a day count from local midnight.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

URGENCIES = ("urgent", "normal", "digest")
DIGEST_MINUTE = 9 * 60
FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=6)
MAX_FAILURES = 10
DAY_MINUTES = 24 * 60
MAX_OFFSET_MINUTES = 14 * 60
YEARS = (2000, 2100)


@dataclass(frozen=True)
class Delivery:
    """``send_at`` in UTC, ``None`` after the last failure. ``reason`` is what decided: ``now``, ``backoff``, ``digest``,
    ``quiet`` or ``gave_up``."""

    send_at: datetime | None
    reason: str


def delivery_time(
    tried_at: datetime,
    urgency: str = "normal",
    failures: int = 0,
    offset_minutes: int = 0,
    quiet_from: int = 22 * 60,
    quiet_until: int = 7 * 60,
) -> Delivery:
    """The next delivery of a notification that was created or last tried at ``tried_at``.

    Quiet hours run from ``quiet_from`` up to but without ``quiet_until``, over midnight if it is smaller; equal minutes
    mean none. Urgent notifications ignore them. Raises ``ValueError`` for a time without a zone or outside the years
    2000 to 2100, an unknown urgency, and numbers out of range.
    """
    _check(tried_at, urgency, failures, offset_minutes)
    for name, minute in (("quiet_from", quiet_from), ("quiet_until", quiet_until)):
        if not 0 <= minute < DAY_MINUTES:
            raise ValueError(f"{name}: must be 0 to {DAY_MINUTES - 1}")
    if failures >= MAX_FAILURES:
        return Delivery(None, "gave_up")
    reason = "backoff" if failures else "now"
    local = tried_at.astimezone(UTC) + backoff(failures) + timedelta(minutes=offset_minutes)
    if urgency == "digest":
        moved = _next(local, DIGEST_MINUTE)
        reason, local = ("digest", moved) if moved != local else (reason, local)
    if urgency != "urgent" and _is_quiet(local, quiet_from, quiet_until):
        reason, local = "quiet", _next(local, quiet_until)
    return Delivery(local - timedelta(minutes=offset_minutes), reason)


def backoff(failures: int) -> timedelta:
    """Nothing before the first failure, then a minute that doubles, at most six hours."""
    if failures == 0:
        return timedelta(0)
    return min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY)


def _check(tried_at: datetime, urgency: str, failures: int, offset_minutes: int) -> None:
    if tried_at.tzinfo is None:
        raise ValueError("tried_at: must have a time zone")
    if not YEARS[0] <= tried_at.year <= YEARS[1]:
        raise ValueError(f"tried_at: must be in the years {YEARS[0]} to {YEARS[1]}")
    if urgency not in URGENCIES:
        raise ValueError(f"urgency: unknown {urgency!r}")
    if failures < 0:
        raise ValueError("failures: must not be negative")
    if abs(offset_minutes) > MAX_OFFSET_MINUTES:
        raise ValueError(f"offset_minutes: must be within {MAX_OFFSET_MINUTES}")


def _is_quiet(local: datetime, start: int, end: int) -> bool:
    minute = local.hour * 60 + local.minute
    if start <= end:
        return start <= minute < end
    return minute >= start or minute < end


def _next(local: datetime, minute: int) -> datetime:
    """The next time, now included, at which the clock shows ``minute`` sharp."""
    candidate = local.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
    return candidate if candidate >= local else candidate + timedelta(days=1)
