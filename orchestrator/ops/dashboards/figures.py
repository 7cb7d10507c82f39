"""The arithmetic of the dashboards. None stands for a figure that has nothing to be computed from.

Where Prometheus has the same figure, it is computed in the same way: a quantile is interpolated within its
bucket, as ``histogram_quantile`` does, so Grafana and the pages agree.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from orchestrator.ops.dashboards.onboardings import ReadySums
from orchestrator.ops.dashboards.reader import CallSums, FlowSums, GateSums, Number
from orchestrator.ops.dashboards.roi import RoiAssumptions
from orchestrator.ops.rollups import facts

LATENCY_TARGET_SECONDS = 120


def divide(part: float, whole: float) -> float | None:
    """``part`` of ``whole``; None of nothing."""
    return part / whole if whole else None


def percent_of(part: float, whole: float) -> float | None:
    """Percent that ``part`` is of ``whole``."""
    return 100 * part / whole if whole else None


def success_percent(flows: FlowSums) -> float | None:
    """Flows that passed of those that passed or failed. A cancelled flow says nothing: a person ended it."""
    # Neither numerator nor denominator has flows that still run: the rate of today moves only with ends.
    return percent_of(flows.passed, flows.passed + flows.failed)


def uptime_percent(calls: CallSums) -> float | None:
    """Calls that the provider answered."""
    return percent_of(calls.calls - calls.outages, calls.calls)


def pass_percent(gates: GateSums) -> float | None:
    """Reports that passed. One without a result is not a pass."""
    return percent_of(gates.passed, gates.passed + gates.failed + gates.errored)


def mean_score(gates: GateSums) -> float | None:
    """The average score."""
    return divide(gates.score, gates.scored)


def mean_work_seconds(rows: Iterable[ReadySums]) -> float | None:
    """How long a repo took us from its request to ready, approval and its turn aside."""
    return _mean_of_ready(rows, attrgetter("work_seconds"))


def mean_approval_seconds(rows: Iterable[ReadySums]) -> float | None:
    """How long a lead took to say yes."""
    return _mean_of_ready(rows, attrgetter("approval_seconds"))


def _mean_of_ready(rows: Iterable[ReadySums], read: Callable[[ReadySums], float]) -> float | None:
    found = tuple(rows)
    # A mean and not a median: sums by day add up to any span, here as in Prometheus.
    return divide(sum(map(read, found)), sum(row.ready for row in found))


def find_quantile(rows: Iterable[Number], quantile: float, bounds: Sequence[float]) -> float | None:
    """The ``quantile`` of a histogram; the last two keys of ``rows`` are measure and upper bound."""
    counts: Counter[float] = Counter()
    for row in rows:
        counts[row.keys[-1]] += row.flows
    if not counts.total():
        return None
    # The first bucket begins at zero: a duration has no other lower bound.
    rank, below, lower = quantile * counts.total(), 0, 0.0
    for bound in bounds:
        here = counts[float(bound)]
        if here and below + here >= rank:
            return lower + (float(bound) - lower) * (rank - below) / here
        below, lower = below + here, float(bound)
    # Above the last bound nothing can be said but that.
    return lower


def p95_seconds(rows: Iterable[Number]) -> float | None:
    """The 95th percentile of the seconds of flows that passed."""
    seconds = [row for row in rows if row.keys[-2] == "seconds"]
    return find_quantile(seconds, 0.95, facts.SECOND_BOUNDS)


def in_time_percent(rows: Iterable[Number]) -> float | None:
    """Flows that passed within the latency target."""
    seconds = [row for row in rows if row.keys[-2] == "seconds"]
    within = sum(row.flows for row in seconds if row.keys[-1] <= LATENCY_TARGET_SECONDS)
    return percent_of(within, sum(row.flows for row in seconds))


def hours_saved(flows: FlowSums, assumed: RoiAssumptions) -> float:
    """Hours that people would have needed for the flows that passed."""
    return float(assumed.hours_per_block) * flows.passed


def value_usd(flows: FlowSums, assumed: RoiAssumptions) -> float:
    """What those hours cost."""
    return hours_saved(flows, assumed) * float(assumed.hourly_rate_usd)


def return_ratio(flows: FlowSums, calls: CallSums, assumed: RoiAssumptions) -> float | None:
    """Value over spend. Only calls to models are spend: hours of people are in neither."""
    return divide(value_usd(flows, assumed), calls.usd)


def is_finite(value: float | None) -> bool:
    """Whether a figure can be drawn."""
    return value is not None and math.isfinite(value)
