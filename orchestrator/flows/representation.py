"""A flow as the API, the command line and the pages show it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet, Sum
from django.utils import timezone

from orchestrator.flows.models import Attempt, Block, Flow, GateResult, Stage
from orchestrator.flows.models.states import FlowStatus, StageStatus
from providers.models import ProviderCall

_WAIT = (FlowStatus.WAITING, FlowStatus.PAUSED)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def usd(value: Decimal) -> str:
    """An amount as plain digits, without the padding of the column: ``0.01275``."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _error(row: Flow | Stage) -> dict[str, str] | None:
    if not row.error_code:
        return None
    return {"code": row.error_code, "message": row.error_message, "cure": row.error_cure}


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None else round(((end or timezone.now()) - start).total_seconds(), 3)


def wait_reasons(flows: Iterable[Flow]) -> dict[str, str]:
    """Why each of ``flows`` waits that does, by id, in one query."""
    waiting = Stage.objects.filter(
        flow_id__in=[flow.id for flow in flows if flow.status in _WAIT], status=StageStatus.WAITING
    )
    return dict(waiting.values_list("flow_id", "wait_reason"))


def brief(flow: Flow, reasons: Mapping[str, str] | None = None) -> dict[str, Any]:
    """One line of a list; ``reasons`` are the list's ``wait_reasons``."""
    return {
        "id": flow.id,
        "repo": flow.repo.name,
        "status": flow.status,
        "flow_type": flow.flow_type,
        "wait_reason": (wait_reasons([flow]) if reasons is None else reasons).get(flow.id, ""),
        "block_family": flow.block_family,
        "title": title(flow),
        "created_by": flow.created_by,
        "created_at": _time(flow.created_at),
        "started_at": _time(flow.started_at),
        "finished_at": _time(flow.finished_at),
        "deadline_at": _time(flow.deadline_at),
        "duration_seconds": _seconds(flow.created_at, flow.finished_at),
        "cost_usd": usd(flow.cost_usd),
        "error": _error(flow),
        "url": f"/api/v1/flows/{flow.id}/",
    }


def title(flow: Flow) -> str:
    """The first line of the request that says something, without its Markdown marks."""
    lines = (line.strip("#* \t") for line in flow.feature_request.splitlines())
    return next((line for line in lines if line), "")[:120]


def attempt(row: Attempt) -> dict[str, Any]:
    """One execution of a stage."""
    return {
        "number": row.number,
        "outcome": row.outcome,
        "worker": row.worker,
        "model": row.model,
        "fallback_from": row.fallback_from,
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "error_code": row.error_code,
        "error_message": row.error_message,
    }


def stage(row: Stage, cost: Decimal) -> dict[str, Any]:
    """One step of a flow."""
    attempts = [attempt(one) for one in row.attempts.all()]
    return {
        "id": row.pk,
        "position": row.position,
        "kind": row.kind,
        "round": row.round,
        "queue": row.queue,
        "status": row.status,
        "model": next((a["model"] for a in reversed(attempts) if a["model"]), ""),
        "wait_reason": row.wait_reason if row.status == "waiting" else "",
        "not_before": _time(row.not_before),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "duration_seconds": _seconds(row.started_at, row.finished_at),
        "cost_usd": usd(cost),
        "error": _error(row),
        "attempts": attempts,
    }


def block(row: Block) -> dict[str, Any]:
    """What the flow yielded."""
    return {
        "family": row.family,
        "name": row.name,
        "version": row.version,
        "summary": row.summary,
        "verified": row.verified,
        "quality_score": str(row.quality_score),
        "manifest_sha256": row.manifest_id,
        "created_at": _time(row.created_at),
        "url": f"/api/v1/flows/{row.flow_id}/block/",
    }


def time_spent(flow: Flow, calls: QuerySet[ProviderCall]) -> dict[str, float | None]:
    """Where the seconds of a flow went: models, gates, and what is left for the orchestrator itself, waiting included."""
    wall = _seconds(flow.created_at, flow.finished_at)
    models = float(calls.aggregate(total=Sum("latency_ms"))["total"] or 0) / 1000
    outputs = flow.stages.filter(kind="verify").values_list("output", flat=True)
    judged = sum(float(output.get("gates_seconds") or 0) for output in outputs)
    return {
        "wall_seconds": wall,
        "provider_seconds": round(models, 3),
        "gates_seconds": round(judged, 3),
        "own_seconds": None if wall is None else round(max(0.0, wall - models - judged), 3),
    }


def full(flow: Flow) -> dict[str, Any]:
    """Everything about one flow but its events, gates and calls."""
    calls = ProviderCall.objects.filter(flow_id=flow.pk).order_by()
    by_stage = dict(calls.values_list("stage_id").annotate(total=Sum("cost_usd")))
    by_provider = calls.values_list("provider").annotate(total=Sum("cost_usd"))
    attempts: Prefetch[str, QuerySet[Attempt], str] = Prefetch("attempts", Attempt.objects.order_by("number"))
    stages: Iterable[Stage] = flow.stages.order_by("position").prefetch_related(attempts)
    found = Block.objects.filter(flow=flow).first()
    return brief(flow) | {
        "feature_request": flow.feature_request,
        "snapshot": {"sha256": flow.snapshot_id, "origin": flow.origin},
        "settings": flow.settings,
        "stages": [stage(row, by_stage.get(row.pk) or Decimal(0)) for row in stages],
        "cost_by_provider": {name: usd(total or Decimal(0)) for name, total in sorted(by_provider)},
        "time": time_spent(flow, calls),
        "block": None if found is None else block(found),
    }


def gate(row: GateResult) -> dict[str, Any]:
    """One gate's report."""
    return {
        "gate": row.gate,
        "round": row.round,
        "verdict": row.verdict,
        "score": None if row.score is None else str(row.score),
        "threshold": None if row.threshold is None else str(row.threshold),
        "summary": row.summary,
        "cure": row.cure,
        "findings": row.findings,
        "details": row.details,
        "seconds": row.seconds,
        "created_at": _time(row.created_at),
    }


def call(row: ProviderCall) -> dict[str, Any]:
    """One provider call with its tokens and what it cost; never the prompt."""
    return {
        "id": str(row.pk),
        "provider": row.provider,
        "model": row.model,
        "fallback_from": row.fallback_from,
        "stage": row.stage_kind,
        "status": row.status,
        "reserved_tokens": row.reserved_tokens,
        "tokens": {
            "input": row.input_tokens,
            "cache_read": row.cache_read_tokens,
            "cache_write_5m": row.cache_write_5m_tokens,
            "cache_write_1h": row.cache_write_1h_tokens,
            "output": row.output_tokens,
            "reasoning": row.reasoning_tokens,
        },
        "cost_usd": usd(row.cost_usd),
        "price": row.price,
        "latency_ms": row.latency_ms,
        "error_code": row.error_code,
        "error_message": row.error_message,
        "created_at": _time(row.created_at),
        "settled_at": _time(row.settled_at),
    }
