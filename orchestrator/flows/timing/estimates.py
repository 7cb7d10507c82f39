"""How long a flow will take, from how long stages of its kinds took last, and whether its deadline allows
that.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.flow_types import FlowType

_FRESH_SECONDS: Final = 60.0
_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class StageTimes:
    """The newest stages of a kind: seconds at the median and at the 95th percentile."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class FlowEstimate:
    """Seconds of a flow without repair, if every stage of its critical path takes its median or its 95th
    percentile. ``warning`` says that the deadline is earlier; empty if it is not.
    """

    p50_seconds: float
    p95_seconds: float
    warning: str = ""


class RecentTimes:
    """What the stages of each kind took, read again after a minute."""

    def __init__(self) -> None:
        self._times: dict[str, StageTimes] = {}
        self._until = 0.0

    def read(self) -> dict[str, StageTimes]:
        """Kind to times; a kind of which none passed lately is missing."""
        now = time.monotonic()
        if now >= self._until:
            rows = database.fetch_rows(_SQL["measure_stages"])
            self._times = {row.kind: StageTimes(row.p50, row.p95) for row in rows}
            self._until = now + _FRESH_SECONDS
        return self._times

    def forget(self) -> None:
        """Read again at the next look."""
        self._until = 0.0


recent_times = RecentTimes()


def estimate_flow(flow_type: FlowType, begins: datetime, deadline: datetime | None) -> FlowEstimate | None:
    """The estimate for a flow of ``flow_type``; ``None`` while nothing is known of one of its stages."""
    times = recent_times.read()
    order = flow_type.order
    if any(spec.kind not in times for spec in order.stages):
        return None
    ends: list[StageTimes] = []
    for spec, needs in zip(order.stages, order.needs, strict=True):
        before = [ends[place] for place in needs] or [StageTimes(0.0, 0.0)]
        own = times[spec.kind]
        slowest = max(each.p95 for each in before)
        ends.append(StageTimes(max(each.p50 for each in before) + own.p50, slowest + own.p95))
    last = ends[-1]
    allowed = None if deadline is None else (deadline - begins).total_seconds()
    warning = ""
    if allowed is not None and allowed < last.p50:
        warning = (
            f"The flow has {allowed:.0f} s, and its stages take about {last.p50:.0f} s at present: "
            "it will probably not end before its deadline. Raise FLOW_DEADLINE_SECONDS."
        )
    return FlowEstimate(round(last.p50, 1), round(last.p95, 1), warning)


def measure_models() -> list[Any]:
    """The newest calls by kind of stage and model: ``kind model p50 p95 tokens_per_second``, in seconds."""
    return database.fetch_rows(_SQL["measure_models"])
