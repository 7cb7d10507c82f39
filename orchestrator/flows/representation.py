"""What people are told about a flow that no column holds: its title, why it waits, where its time went."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.utils import timezone

from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.models.states import FlowStatus, StageStatus
from providers.models import ProviderCall

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
    stages = Stage.objects.filter(flow_id__in=waiting_ids, status=StageStatus.WAITING)
    return dict(stages.values_list("flow_id", "wait_reason"))


def request_title(flow: Flow) -> str:
    """The first line of the request that says something, without Markdown marks; up to 120 characters."""
    for line in flow.feature_request.splitlines():
        if text := line.strip("#* \t"):
            return text[:120]
    return ""


def measure_time(flow: Flow, calls: QuerySet[ProviderCall]) -> dict[str, float | None]:
    """Where the seconds of a flow went: models, gates, and the orchestrator itself, waiting included."""
    wall = seconds_between(flow.created_at, flow.finished_at)
    in_models = float(calls.aggregate(total=Sum("latency_ms"))["total"] or 0) / 1000
    outputs = flow.stages.filter(kind="verify").values_list("output", flat=True)
    in_gates = sum(float(output.get("gates_seconds") or 0) for output in outputs)
    # Calls of two stages never overlap, but clocks differ a little: what is left may not be negative.
    own = None if wall is None else round(max(0.0, wall - in_models - in_gates), 3)
    return {
        "wall_seconds": wall,
        "provider_seconds": round(in_models, 3),
        "gates_seconds": round(in_gates, 3),
        "own_seconds": own,
    }
