"""How long a flow will take, from how long stages of its kinds took last, and whether its deadline allows
that.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.flow_types import MODEL_KEYS, FlowType

_FRESH_SECONDS: Final = 60.0
LEAST_STAGES: Final = 5
"""Of fewer stages with one model, chance says more than the model; then those with any model count."""
_SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class StageTimes:
    """The newest stages of a kind: seconds at the median and at the 95th percentile."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What a stage will take, in seconds. ``model`` is the one whose stages of this kind were measured; empty
    where those with any model were, or where it asks none.
    """

    kind: str
    model: str
    p50_seconds: float
    p95_seconds: float


@dataclass(frozen=True, slots=True)
class FlowEstimate:
    """Seconds of a flow without repair, if every stage of its critical path takes its median or its 95th
    percentile. ``warning`` says that the deadline is earlier; empty if it is not.
    """

    p50_seconds: float
    p95_seconds: float
    warning: str = ""
    stages: tuple[StageEstimate, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values with the names of the fields."""
        # Not by a serializer: making one for each row of a list took longer than everything else in the row.
        stages = []
        for stage in self.stages:
            stages.append(
                {
                    "kind": stage.kind,
                    "model": stage.model,
                    "p50_seconds": stage.p50_seconds,
                    "p95_seconds": stage.p95_seconds,
                }
            )
        return {
            "p50_seconds": self.p50_seconds,
            "p95_seconds": self.p95_seconds,
            "warning": self.warning,
            "stages": stages,
        }


class RecentTimes:
    """What the stages of each kind took, read again after a minute."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], StageTimes] = {}
        self._until = 0.0

    def read(self) -> dict[tuple[str, str], StageTimes]:
        """Kind and model to times, with an empty model for all of a kind. What was hardly seen is missing."""
        now = time.monotonic()
        if now >= self._until:
            rows = database.fetch_rows(_SQL["measure_stages"], {"least": LEAST_STAGES})
            # While thousands of flows begin, the newest attempts are all of one kind. Of the others what was
            # known holds on.
            self._times |= {
                (row.kind, "" if row.of_all_models else row.model): StageTimes(row.p50, row.p95)
                for row in rows
            }
            self._until = now + _FRESH_SECONDS
        return self._times

    def forget(self) -> None:
        """Know nothing, and read again at the next look."""
        self._times = {}
        self._until = 0.0


recent_times = RecentTimes()


def estimate_flow(
    flow_type: FlowType, pinned: Mapping[str, Any], begins: datetime, deadline: datetime | None
) -> FlowEstimate | None:
    """The estimate for a flow of ``flow_type`` with the models of its settings ``pinned``; ``None`` while
    nothing is known of one of its stages.
    """
    times = recent_times.read()
    order = flow_type.order
    stages: list[StageEstimate] = []
    for spec in order.stages:
        model = str(pinned.get(MODEL_KEYS.get(spec.kind, "")) or "")
        used = model if (spec.kind, model) in times else ""
        if (spec.kind, used) not in times:
            return None
        own = times[spec.kind, used]
        stages.append(StageEstimate(spec.kind, used, round(own.p50, 1), round(own.p95, 1)))
    ends: list[StageTimes] = []
    for stage, needs in zip(stages, order.needs, strict=True):
        before = [ends[place] for place in needs] or [StageTimes(0.0, 0.0)]
        own = times[stage.kind, stage.model]
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
    return FlowEstimate(round(last.p50, 1), round(last.p95, 1), warning, tuple(stages))


def measure_models() -> list[Any]:
    """The newest calls by kind of stage and model: ``kind model p50 p95 tokens_per_second``, in seconds."""
    return database.fetch_rows(_SQL["measure_models"])
