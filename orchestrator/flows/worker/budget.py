"""What a flow has left, and what its newest round took: read before another round starts."""

from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from orchestrator.flows.flow_types import FlowType
from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.stage_protocol import Budget
from providers import ledger
from providers.models import ProviderCall


def read_budget(flow_id: str, flow_type: FlowType, again: str) -> Budget:
    """The budget of a flow; a round runs ``again`` and the stages behind it that have begun."""
    now = datetime.now(UTC)
    newest = _newest_stages(flow_id, flow_type, again)
    deadline = Flow.objects.values_list("deadline_at", flat=True).get(pk=flow_id)
    return Budget(
        seconds_left=None if deadline is None else (deadline - now).total_seconds(),
        spent_usd=ledger.sum_committed_usd(flow_id),
        round_seconds=_measure_round(flow_type, newest, now),
        round_usd=ProviderCall.objects.filter(stage_id__in=newest.values()).aggregate(usd=Sum("cost_usd"))[
            "usd"
        ]
        or Decimal(0),
    )


def _newest_stages(flow_id: str, flow_type: FlowType, again: str) -> dict[str, int]:
    """Kind to the newest stage of it, for ``again`` and each kind behind it whose newest stage has begun."""
    stages = Stage.objects.filter(flow_id=flow_id, kind__in=flow_type.kinds_behind(again)).order_by(
        "position"
    )
    newest = {stage.kind: stage for stage in stages.only("id", "kind", "started_at")}
    return {kind: stage.pk for kind, stage in newest.items() if stage.started_at is not None}


def _measure_round(flow_type: FlowType, newest: dict[str, int], now: datetime) -> float:
    """How long the round took from its first stage to its last, without waits."""
    order = flow_type.order
    ends: list[float] = []
    for spec, needs in zip(order.stages, order.needs, strict=True):
        begins = max((ends[place] for place in needs), default=0.0)
        took = _measure_seconds(newest[spec.kind], now) if spec.kind in newest else 0.0
        ends.append(begins + took)
    return ends[-1]


def _measure_seconds(stage_id: int, now: datetime) -> float:
    """How long the newest attempt ran or has been running; a wait for quota does not count."""
    attempt = (
        Attempt.objects.filter(stage_id=stage_id)
        .order_by("-number")
        .annotate(ended=Coalesce(F("finished_at"), now))
        .first()
    )
    return (attempt.ended - attempt.started_at).total_seconds() if attempt else 0.0
