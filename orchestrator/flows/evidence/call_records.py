"""What the models were asked for a flow, from the ledger: every call, also those that failed, with tokens
and cost.
"""

from typing import Any

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from blocks.format.canonical import format_time
from orchestrator.flows.models import Stage
from providers.models import ProviderCall

_TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")


def list_calls(flow_id: str) -> list[dict[str, Any]]:
    """The calls of ``flow_id`` in their order, each with the model that answered. Cost in USD as text; tokens
    by kind, kinds without tokens left out.
    """
    # The ledger has plain ids; the round is the stage's.
    stage_round = Stage.objects.filter(pk=OuterRef("stage_id")).values("round")
    rows = ProviderCall.objects.filter(flow_id=flow_id).annotate(round=Coalesce(Subquery(stage_round), 1))
    # The id decides between calls of the same moment, so sealing again lists them in the same order.
    rows = rows.order_by("created_at", "id")
    return [_describe_call(row) for row in rows]


def _describe_call(row: Any) -> dict[str, Any]:
    tokens = {kind: getattr(row, f"{kind}_tokens") for kind in _TOKENS}
    return {
        "stage": row.stage_kind,
        "round": row.round,
        "provider": row.provider,
        "model": row.shown_model,
        "fallback_from": row.fallback_from,
        "status": row.status,
        "started_at": format_time(row.created_at),
        "request_sha256": row.request_digest,
        "tokens": {kind: count for kind, count in tokens.items() if count},
        # As text without an exponent, so that no reader rounds it.
        "cost_usd": format(row.cost_usd.normalize(), "f"),
    }
