"""How fast a service burns its error budget, and whether somebody has to get up for it.

Source: *The Site Reliability Workbook*, chapter 5, "multiwindow, multi-burn-rate alerts". A burn rate of 1 spends the
budget exactly in the period of 30 days. An alert needs its long window (enough budget is gone) *and* its short window
(it is still going on) at or above the rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

PERIOD_HOURS = 720
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
MIN_OBJECTIVE = Decimal("50")
MAX_OBJECTIVE = Decimal("99.999")
_TWO_PLACES = Decimal("0.01")


@dataclass(frozen=True)
class Rule:
    """An alert: both windows must burn at ``rate`` or faster."""

    long: str
    short: str
    rate: Decimal
    severity: str


RULES = (
    Rule("1h", "5m", Decimal("14.4"), "page"),
    Rule("6h", "30m", Decimal("6"), "page"),
    Rule("1d", "2h", Decimal("3"), "ticket"),
    Rule("3d", "6h", Decimal("1"), "ticket"),
)


@dataclass(frozen=True)
class BurnReport:
    """``rates`` per window (times the sustainable speed), the windows that fired, and hours until a full budget is gone.

    ``hours_to_exhaustion`` follows the rate of the last hour; ``None`` while nothing fails. ``severity`` is ``page``,
    ``ticket`` or ``none``: the worst of the rules that fired.
    """

    rates: dict[str, Decimal]
    fired: tuple[str, ...]
    severity: str
    hours_to_exhaustion: Decimal | None


def burn_rate(objective: Decimal, windows: Mapping[str, Mapping[str, int]]) -> BurnReport:
    """Judge ``windows`` (name to ``{"good": requests, "failed": requests}``) against ``objective`` in percent.

    All of ``WINDOWS`` must be there. Raises ``ValueError`` for an objective outside 50..99.999, a missing or unknown
    window, and negative counts.
    """
    if not MIN_OBJECTIVE <= objective <= MAX_OBJECTIVE:
        raise ValueError(f"objective: must be {MIN_OBJECTIVE} to {MAX_OBJECTIVE} percent")
    unknown = sorted(set(windows) - set(WINDOWS))
    if unknown:
        raise ValueError(f"unknown window {unknown[0]!r}")
    budget = (100 - objective) / 100
    rates: dict[str, Decimal] = {}
    for name in WINDOWS:
        if name not in windows:
            raise ValueError(f"window {name} is missing")
        rates[name] = _error_rate(name, windows[name]) / budget
    fired = [rule for rule in RULES if rates[rule.long] >= rule.rate and rates[rule.short] >= rule.rate]
    return BurnReport(
        rates={name: _round(rate) for name, rate in rates.items()},
        fired=tuple(f"{rule.long}/{rule.short}" for rule in fired),
        severity=fired[0].severity if fired else "none",
        hours_to_exhaustion=_round(PERIOD_HOURS / rates["1h"]) if rates["1h"] > 0 else None,
    )


def _error_rate(name: str, counts: Mapping[str, int]) -> Decimal:
    """Share of failed requests; a window without traffic fails nothing."""
    good, failed = counts["good"], counts["failed"]
    if good < 0 or failed < 0:
        raise ValueError(f"window {name}: counts must not be negative")
    return Decimal(failed) / (good + failed) if failed else Decimal(0)


def _round(value: Decimal) -> Decimal:
    return value.quantize(_TWO_PLACES, rounding=ROUND_HALF_UP)
