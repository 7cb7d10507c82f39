"""What people are told about a flow that no column holds: its title, why it waits, where its time went."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from blocks.format.moments import read_moments
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.models.states import FlowStatus, StageStatus
from orchestrator.flows.timing.critical_path import measure_flow, measure_union

_WAITS = (FlowStatus.WAITING, FlowStatus.PAUSED)


def format_usd(amount: Decimal) -> str:
    """An amount as plain digits, without the padding of the column: ``0.01275``."""
    text = f"{amount:f}"
    # Without a dot a zero at the end counts: 10 must not become 1.
    return text.rstrip("0").rstrip(".") if "." in text else text


def describe_error(row: Flow | Stage) -> dict[str, str] | None:
    """Why ``row`` failed, with the cure; nothing where it did not fail."""
    if not row.error_code:
        return None
    return {"code": row.error_code, "message": row.error_message, "cure": row.error_cure}


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from ``start`` to ``end``, or until now; nothing before the start."""
    if start is None:
        return None
    return round(((end or timezone.now()) - start).total_seconds(), 3)


def read_wait_reasons(flows: Iterable[Flow]) -> dict[str, str]:
    """Why those of ``flows`` wait that do, by id, in one query."""
    waiting_ids = [flow.id for flow in flows if flow.status in _WAITS]
    if not waiting_ids:
        return {}
    stages = Stage.objects.filter(flow_id__in=waiting_ids, status=StageStatus.WAITING)
    return {flow_id: read_reason(reason) for flow_id, reason in stages.values_list("flow_id", "wait_reason")}


def read_reason(reason: str) -> str:
    """Why something waits, with its moments as people read them now."""
    return read_moments(reason, timezone.now())


def request_title(flow: Flow) -> str:
    """The first line of the request that says something, without Markdown marks; up to 120 characters."""
    for line in flow.feature_request.splitlines():
        if text := line.strip("#* \t"):
            return text[:120]
    return ""


def measure_time(
    flow: Flow, calls: Iterable[tuple[datetime, int | None]], stages: Sequence[Stage]
) -> dict[str, Any]:
    """Where the seconds of a flow went: models, gates, and the orchestrator itself, waiting included.

    ``calls`` are when each provider call was made and how many milliseconds it took, if it has ended.
    ``stages`` are in order and bring their attempts. Stages run side by side, so that no second is counted
    twice: a second in gates counts as such only where no model was asked.
    """
    wall = seconds_between(flow.created_at, flow.finished_at)
    asked = [(begun, begun + timedelta(milliseconds=latency or 0)) for begun, latency in calls]
    judged = [
        (
            stage.finished_at - timedelta(seconds=float(stage.output.get("gates_seconds") or 0)),
            stage.finished_at,
        )
        for stage in stages
        if stage.kind == "verify" and stage.finished_at is not None
    ]
    in_models, busy = measure_union(asked), measure_union([*asked, *judged])
    timing = measure_flow(flow, stages)
    return {
        "wall_seconds": wall,
        "provider_seconds": round(in_models, 3),
        "gates_seconds": round(busy - in_models, 3),
        # The clocks of processes differ a little: what is left may not be negative.
        "own_seconds": None if wall is None else round(max(0.0, wall - busy), 3),
        "critical_path_seconds": round(timing.seconds, 3),
        "stage_overlap": timing.overlap,
        "bound_by": timing.bound_by,
    }


def list_wasted(stages: Sequence[Stage], costs: Mapping[int, Decimal]) -> list[int]:
    """The stages whose work was of no use: they passed or were stopped beside one that asked for a repair,
    and were paid for once more in the round. ``costs`` are USD by stage.
    """
    paid = [stage for stage in stages if costs.get(stage.pk)]
    asked = {(stage.round, *(stage.needs or ())) for stage in stages if stage.repair}
    return [
        stage.pk
        for stage in paid
        if not stage.repair
        and (stage.round, *(stage.needs or ())) in asked
        and any(later.kind == stage.kind and later.round > stage.round for later in paid)
    ]
