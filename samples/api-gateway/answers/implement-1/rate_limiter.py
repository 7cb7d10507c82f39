"""Rate limiting by the generic cell rate algorithm: one number of state per client, no clock inside.

Source: ITU-T I.371, annex A (virtual scheduling). The state is the *theoretical arrival time*: when the client's bucket
would be full again. All times are whole microseconds since an epoch of the caller's choice, so decisions are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MICROSECONDS = 1_000_000
MAX_LIMIT = 1_000_000
MAX_PERIOD_SECONDS = 86_400


@dataclass(frozen=True)
class Decision:
    """``state`` is to be stored for the next call; ``remaining`` whole requests are left now.

    ``retry_after`` is how many microseconds to wait until the same request is allowed: 0 where it was, ``None`` where it
    never will be, since it costs more than the burst.
    """

    allowed: bool
    state: int
    remaining: int
    retry_after: int | None


@dataclass(frozen=True)
class Replay:
    """What a limit would have done to past traffic: positions (from 0) that it refused, and the share admitted in percent."""

    admitted: int
    refused: tuple[int, ...]
    admitted_percent: int


def decide(now: int, limit: int, period_seconds: int, burst: int, state: int = 0, cost: int = 1) -> Decision:
    """Whether a client may make a request of ``cost`` at ``now``.

    ``limit`` requests per period are sustained, ``burst`` may come at once. A refused request changes no state, so
    hammering does not lock a client out. Time that runs backwards counts as standing still. Raises ``ValueError`` for a
    limit, period, burst or cost out of range and for negative times.
    """
    interval = _interval(limit, period_seconds, burst)
    if cost < 1:
        raise ValueError("cost: must be at least 1")
    if now < 0 or state < 0:
        raise ValueError("times must not be negative")
    tolerance = interval * burst
    due = max(state, now)
    wanted = due + interval * cost
    if wanted - now <= tolerance:
        return Decision(True, wanted, _remaining(wanted, now, interval, tolerance), 0)
    wait = wanted - now - tolerance if cost <= burst else None
    return Decision(False, state, _remaining(due, now, interval, tolerance), wait)


def replay(arrivals: Sequence[int], limit: int, period_seconds: int, burst: int) -> Replay:
    """Apply a limit to the arrival times of one client, to try out settings on yesterday's traffic.

    Raises ``ValueError`` for arrivals that are not in order, and as ``decide`` does.
    """
    _interval(limit, period_seconds, burst)
    refused = []
    state = previous = 0
    for position, arrival in enumerate(arrivals):
        if arrival < previous:
            raise ValueError(f"arrival {position} is before the one ahead of it")
        decision = decide(arrival, limit, period_seconds, burst, state)
        state, previous = decision.state, arrival
        if not decision.allowed:
            refused.append(position)
    admitted = len(arrivals) - len(refused)
    return Replay(admitted, tuple(refused), 100 * admitted // len(arrivals) if arrivals else 100)


def _interval(limit: int, period_seconds: int, burst: int) -> int:
    """Microseconds between two requests, rounded up: rather a little too strict than above the limit."""
    for name, value, most in (
        ("limit", limit, MAX_LIMIT),
        ("period_seconds", period_seconds, MAX_PERIOD_SECONDS),
        ("burst", burst, MAX_LIMIT),
    ):
        if not 1 <= value <= most:
            raise ValueError(f"{name}: must be 1 to {most}")
    return -(-period_seconds * MICROSECONDS // limit)


def _remaining(due: int, now: int, interval: int, tolerance: int) -> int:
    return max(tolerance - (due - now), 0) // interval
