"""Flows in any state, as rows: what the doors show, without the engine and the models behind them."""

import hashlib
import json
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from blocks.format.manifest import GateFact
from orchestrator.flows.evidence import sealing
from orchestrator.flows.evidence.manifest import Subject
from orchestrator.flows.models import Artifact, Attempt, Blob, Block, Flow, FlowEvent, GateResult, Stage
from orchestrator.repos.models import Repo
from providers.models import CallStatus, ProviderCall

STAGES = (
    ("context", "google", "gemini-pro"),
    ("plan", "anthropic", "claude-sonnet-4-5"),
    ("implement", "openai", "gpt-4-turbo"),
    ("verify", "gates", ""),
    ("review", "anthropic", "claude-sonnet-4-5"),
    ("docs", "google", "gemini-pro"),
    ("seal", "control", ""),
)
CONTRACT = {
    "contract": 1,
    "family": "compliance",
    "name": "capital_ratio",
    "version": "1.0.0",
    "entrypoints": [
        {
            "call": "capital_ratio",
            "summary": "Ratio.",
            "input": {
                "type": "object",
                "properties": {"capital": {"type": "number"}},
                "required": ["capital"],
            },
            "output": {"type": "number"},
        }
    ],
}


def make_repo(name: str = "compliance-service", **fields: Any) -> Repo:
    """A registered repo."""
    return Repo.objects.get_or_create(name=name, defaults=fields)[0]


def make_flow(
    owner: Repo | None = None, *, request: str = "# Capital ratio\nBasel I.", **fields: Any
) -> Flow:
    """A flow that has just been created, with its stages and first event."""
    made = Flow.objects.create(
        repo=owner or make_repo(), flow_type="plan_impl_review_docs", feature_request=request, **fields
    )
    for position, (kind, queue, _) in enumerate(STAGES, start=1):
        Stage.objects.create(
            flow=made,
            position=position,
            kind=kind,
            queue=queue,
            status="pending" if position > 1 else "ready",
        )
    FlowEvent.objects.create(flow=made, kind="flow.created")
    return made


def start_stage(stage: Stage) -> Attempt:
    """A worker has claimed ``stage``."""
    now, token = timezone.now(), uuid.uuid4()
    Stage.objects.filter(pk=stage.pk, status="pending").update(status="ready", ready_at=now)
    Flow.objects.filter(pk=stage.flow_id, status="pending").update(status="running", started_at=now)
    stage.status, stage.token, stage.lease_until, stage.started_at = (
        "running",
        token,
        now + timedelta(minutes=1),
        now,
    )
    stage.attempts_made += 1
    stage.save()
    FlowEvent.objects.create(
        flow_id=stage.flow_id, kind="stage.started", stage=stage, data={"attempt": stage.attempts_made}
    )
    return Attempt.objects.create(
        stage=stage, number=stage.attempts_made, token=token, worker="w@host", started_at=now
    )


def finish_attempt(
    attempt: Attempt, status: str = "passed", *, model: str = "", error: tuple[str, str, str] = ("", "", "")
) -> None:
    """The attempt and its stage have ended."""
    now, stage = timezone.now(), attempt.stage
    attempt.outcome, attempt.finished_at, attempt.model = status, now, model
    attempt.save()
    stage.status, stage.token, stage.lease_until, stage.finished_at = status, None, None, now
    stage.error_code, stage.error_message, stage.error_cure = error
    stage.save()
    FlowEvent.objects.create(flow_id=stage.flow_id, kind=f"stage.{status}", stage=stage)


def record_call(attempt: Attempt, provider: str, model: str, cost: str, *, tokens: int = 100) -> ProviderCall:
    """A settled call of ``attempt``."""
    now, stage = timezone.now(), attempt.stage
    return ProviderCall.objects.create(
        provider=provider,
        model=model,
        flow_id=stage.flow_id,
        stage_id=stage.pk,
        attempt_id=attempt.pk,
        stage_kind=stage.kind,
        repo=stage.flow.repo.name,
        status=CallStatus.SETTLED,
        request_digest="0" * 64,
        reserved_tokens=0,
        reserved_usd=0,
        input_tokens=tokens,
        output_tokens=tokens,
        cost_usd=Decimal(cost),
        created_at=now,
        lease_until=now,
        settled_at=now,
        latency_ms=12,
    )


def record_gate_result(stage: Stage, gate: str, verdict: str = "passed", **fields: Any) -> GateResult:
    """A gate's report of ``stage``."""
    fields.setdefault("summary", f"{gate} {verdict}")
    return GateResult.objects.create(
        flow_id=stage.flow_id, stage=stage, gate=gate, round=stage.round, verdict=verdict, **fields
    )


def store_blob(content: bytes) -> Blob:
    """Stored bytes."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Blob.objects.get_or_create(sha256=sha256, defaults={"content": content, "size": len(content)})[0]


def seal_block(made: Flow, files: dict[str, bytes] | None = None, *, name: str = "capital_ratio") -> Block:
    """What ``made`` yields: sealed files under a manifest."""
    files = files or {
        f"{name}.py": b"def capital_ratio(capital):\n    return capital\n",
        f"test_{name}.py": b"def test_it():\n    assert True\n",
        "contract.json": json.dumps(CONTRACT).encode(),
        "README.md": b"# Capital ratio\n",
        "evidence/coverage/coverage.json": b'{"percent": 97}',
    }
    sealed = sealing.seal(
        Subject(
            flow_id=made.id,
            repo=made.repo.name,
            family="compliance",
            name=name,
            summary="Basel I capital ratio",
            verified=True,
            quality_score=Decimal("93.5"),
            files=files,
            gates=(GateFact("coverage", "passed", "97.2 % of 41 branches", 1, "97.2", "90"),),
            calls=(),
            prompts={},
            policy={"mode": "strict", "min_unit_coverage": "90", "min_mutation_kill_rate": "60"},
            context_sha256="",
            snapshot_sha256="",
            origin="",
            dependencies_sha256="",
            feature_request=made.feature_request,
            sealed_at=timezone.now(),
        )
    )
    seal, media_type = made.stages.get(kind="seal"), "application/gzip"
    packed = store_blob(sealed.block)
    Artifact.objects.create(
        flow=made, stage=seal, kind="block", name=f"{name}.tar.gz", media_type=media_type, blob=packed
    )
    return Block.objects.create(
        flow=made,
        repo=made.repo,
        family="compliance",
        name=name,
        version=Block.objects.filter(repo=made.repo, name=name).count() + 1,
        summary="Basel I capital ratio",
        manifest=store_blob(sealed.manifest),
        quality_score=Decimal("93.5"),
        verified=True,
    )


def end_flow(made: Flow, status: str, *, error: tuple[str, str, str] = ("", "", "")) -> Flow:
    """The flow has ended."""
    made.refresh_from_db()
    made.status, made.finished_at = status, timezone.now()
    made.error_code, made.error_message, made.error_cure = error
    made.cost_usd = sum((c.cost_usd for c in ProviderCall.objects.filter(flow_id=made.pk)), Decimal(0))
    made.save()
    FlowEvent.objects.create(flow=made, kind=f"flow.{status}")
    return made


def run_through(made: Flow, *, gates_fail: bool = False) -> Flow:
    """Everything that happens to a flow, at once: passed with a block, or failed at the gates."""
    costs = {"google": "0.0012", "anthropic": "0.0213", "openai": "0.0405"}
    for kind, queue, model in STAGES:
        stage = made.stages.get(kind=kind)
        attempt = start_stage(stage)
        if queue in costs:
            record_call(attempt, queue, model, costs[queue])
        if kind == "verify":
            record_gate_result(stage, "contract")
            record_gate_result(
                stage,
                "coverage",
                score=Decimal("97.2"),
                threshold=Decimal(90),
                summary="97.2 % of 41 branches",
            )
            verdict = "failed" if gates_fail else "passed"
            survivor = {
                "rule": "survived",
                "message": "`<` became `<=`",
                "path": "capital_ratio.py",
                "line": 12,
                "severity": "error",
            }
            record_gate_result(
                stage,
                "mutation",
                verdict,
                score=Decimal("41.0") if gates_fail else Decimal("88.0"),
                threshold=Decimal(60),
                findings=[survivor] if gates_fail else [],
                cure="Test the limits of each comparison." if gates_fail else "",
            )
        if kind == "verify" and gates_fail:
            error = (
                "gate:mutation-failed",
                "The mutation gate failed: 41 % of 60 %.",
                "Describe the limits in the request.",
            )
            finish_attempt(attempt, "failed", error=error)
            made.stages.filter(status__in=["pending", "ready"]).update(status="skipped")
            return end_flow(made, "failed", error=error)
        finish_attempt(attempt, model=model)
    seal_block(made)
    return end_flow(made, "passed")
