"""What a flow has left, and what its newest round took: read before another round starts."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from django.db.models import F, Sum
from django.db.models.functions import Coalesce

from orchestrator.flows.models import Attempt, Flow, Stage
from orchestrator.flows.stage_protocol import Budget
from providers import ledger
from providers.models import ProviderCall


def read_budget(flow_id: str, kinds: Iterable[str]) -> Budget:
    """The budget of a flow; ``kinds`` are the stages of which a round consists."""
    now = datetime.now(UTC)
    newest = _newest_stages(flow_id, kinds)
    deadline = Flow.objects.values_list("deadline_at", flat=True).get(pk=flow_id)
    return Budget(
        seconds_left=None if deadline is None else (deadline - now).total_seconds(),
        spent_usd=ledger.sum_committed_usd(flow_id),
        round_seconds=sum(_measure_seconds(stage, now) for stage in newest),
        round_usd=ProviderCall.objects.filter(stage_id__in=newest).aggregate(usd=Sum("cost_usd"))["usd"]
        or Decimal(0),
    )


def _newest_stages(flow_id: str, kinds: Iterable[str]) -> list[int]:
    """The newest stage of each kind that has been started."""
    started = Stage.objects.filter(flow_id=flow_id, kind__in=list(kinds), started_at__isnull=False).order_by(
        "position"
    )
    return list({kind: pk for pk, kind in started.values_list("id", "kind")}.values())


def _measure_seconds(stage_id: int, now: datetime) -> float:
    """How long the newest attempt ran or has been running; a wait for quota does not count."""
    attempt = (
        Attempt.objects.filter(stage_id=stage_id)
        .order_by("-number")
        .annotate(ended=Coalesce(F("finished_at"), now))
        .first()
    )
    return (attempt.ended - attempt.started_at).total_seconds() if attempt else 0.0
