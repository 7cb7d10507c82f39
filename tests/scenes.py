"""Flows in any state, brought there by the engine and the limiter: only the work of the stages is made up."""

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from blocks.format.manifest import GateFact
from gates.base import Finding, GateReport, Verdict
from orchestrator.flows import engine
from orchestrator.flows.engine import Claim, Spent
from orchestrator.flows.evidence import sealing
from orchestrator.flows.evidence.manifest import Subject
from orchestrator.flows.models import Blob, Flow, Stage
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, NewBlock, Park
from orchestrator.ops.notifications.message_templates import render_webhook
from orchestrator.ops.notifications.models import Notification, NotificationStatus, Subscription
from orchestrator.ops.notifications.subscriptions import TEST_TOPIC
from orchestrator.repos.models import Repo
from providers import limiter
from providers.base import Usage
from providers.limiter import ReservationRequest

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
    owner: Repo | None = None, *, request: str = "# Capital ratio\nBasel I.", **options: Any
) -> Flow:
    """A flow that has just been created, with its stages and first events."""
    return engine.create(owner or make_repo(), request, **options)


def start_stage(stage: Stage) -> Claim:
    """A worker claims ``stage``, which must be ready."""
    claim = engine.claim(stage.pk, "w@host")
    assert claim is not None, f"{stage.kind} is not ready"
    return claim


def start_kind(made: Flow, kind: str) -> Claim:
    """A worker claims the stage of ``kind`` that is ready."""
    return start_stage(made.stages.get(kind=kind, status="ready"))


def finish_stage(claim: Claim, *, model: str = "", **result: Any) -> None:
    """The stage passes; ``result`` are fields of ``Done``."""
    engine.finish(claim, Done(**result), Spent(model))


def fail_stage(claim: Claim, error: tuple[str, str, str], **result: Any) -> None:
    """The stage fails for good, and its flow with it; ``error`` is code, message and cure."""
    engine.finish(claim, Failed(*error, **result))


def park_stage(claim: Claim, reason: str, *, provider: str = "", seconds: float = 60) -> None:
    """The stage waits for ``provider``, which is expected to have room in ``seconds``."""
    until = timezone.now() + timedelta(seconds=seconds)
    engine.finish(claim, Park(reason, until, provider, tokens=1000 if provider else 0))


def reserve_call(claim: Claim, provider: str, model: str, usd: str, *, tokens: int = 200) -> UUID:
    """The attempt of ``claim`` is about to call a model; the id of the call, which may cost ``usd``."""
    admitted = limiter.acquire(
        ReservationRequest(
            provider,
            model,
            tokens=tokens,
            nano_usd=limiter.to_nano_usd(Decimal(usd)),
            timeout_seconds=60,
            # An attempt with an answer to the same request would be given that one.
            digest=hashlib.sha256(uuid4().bytes).hexdigest(),
            repo=claim.repo,
            stage_kind=claim.kind,
            flow_id=claim.flow_id,
            stage_id=claim.stage_id,
            attempt_id=claim.attempt_id,
        )
    )
    assert isinstance(admitted, limiter.Admitted), admitted
    return admitted.call_id


def record_call(claim: Claim, provider: str, model: str, cost: str, *, tokens: int = 100) -> None:
    """A settled call of the attempt of ``claim``: ``tokens`` in and as many out, for ``cost`` USD."""
    call = reserve_call(claim, provider, model, cost, tokens=2 * tokens)
    usage = Usage(input_tokens=tokens, output_tokens=tokens)
    limiter.settle(call, provider, usage, Decimal(cost), {}, latency_ms=12)


def make_report(gate: str, verdict: str = "passed", **fields: Any) -> GateReport:
    """What a gate says of a block."""
    fields.setdefault("summary", f"{gate} {verdict}")
    return GateReport(gate, Verdict(verdict), **fields)


def store_blob(content: bytes) -> Blob:
    """Stored bytes."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Blob.objects.get_or_create(sha256=sha256, defaults={"content": content, "size": len(content)})[0]


def seal_block(made: Flow, files: dict[str, bytes] | None = None, *, name: str = "capital_ratio") -> None:
    """The stage ``seal`` runs and passes: sealed files under a manifest."""
    files = files or {
        f"{name}.py": b"def capital_ratio(capital):\n    return capital\n",
        f"test_{name}.py": b"def test_it():\n    assert True\n",
        "contract.json": json.dumps(CONTRACT).encode(),
        "README.md": b"# Capital ratio\n",
        "evidence/coverage/coverage.json": b'{"percent": 97}',
    }
    claim, summary, quality = start_kind(made, "seal"), "Basel I capital ratio", Decimal("93.5")
    sealed = sealing.seal(
        Subject(
            flow_id=made.id,
            repo=made.repo.name,
            family="compliance",
            name=name,
            summary=summary,
            verified=True,
            quality_score=quality,
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
    block = NewBlock("compliance", name, sealed.manifest, quality, verified=True, summary=summary)
    packed = NewArtifact("block", f"{name}.tar.gz", sealed.block, "application/gzip")
    finish_stage(claim, artifacts=(packed,), block=block)
    made.refresh_from_db()


def make_webhook(owner: Repo | None) -> tuple[Subscription, Notification]:
    """A webhook of a repo or of the organisation, with a message that was given up."""
    webhook = Subscription.objects.create(
        repo=owner, notifier="webhook", target="https://ci.example.org/hooks/blocks", topics=["flow.failed"]
    )
    delivery = Notification.objects.create(
        subscription=webhook,
        notifier="webhook",
        target=webhook.target,
        subject=TEST_TOPIC,
        body=render_webhook(TEST_TOPIC, timezone.now(), {"title": "A test of this webhook."}),
        status=NotificationStatus.GIVEN_UP,
    )
    return webhook, delivery


def cancel_flow(made: Flow) -> Flow:
    """Somebody cancels the flow."""
    assert engine.cancel(made.pk)
    made.refresh_from_db()
    return made


def _judge_block(*, mutants_survive: bool) -> tuple[GateReport, ...]:
    survivor = Finding("survived", "`<` became `<=`", "error", "capital_ratio.py", 12)
    mutation = make_report(
        "mutation",
        "failed" if mutants_survive else "passed",
        score=Decimal("41.0") if mutants_survive else Decimal("88.0"),
        threshold=Decimal(60),
        findings=(survivor,) if mutants_survive else (),
        cure="Test the limits of each comparison." if mutants_survive else "",
    )
    coverage = make_report(
        "coverage", score=Decimal("97.2"), threshold=Decimal(90), summary="97.2 % of 41 branches"
    )
    return (make_report("contract"), coverage, mutation)


def run_through(made: Flow, *, gates_fail: bool = False, files: dict[str, bytes] | None = None) -> Flow:
    """Everything that happens to a flow, at once: passed with a block of ``files``, or failed at a gate."""
    costs = {"google": "0.0012", "anthropic": "0.0213", "openai": "0.0405"}
    models = {kind: model for kind, _, model in STAGES}
    while stage := made.stages.filter(status="ready").order_by("position").first():
        if stage.kind == "seal":
            seal_block(made, files)
            break
        claim = start_stage(stage)
        if stage.queue in costs:
            record_call(claim, stage.queue, models[stage.kind], costs[stage.queue])
        gates = _judge_block(mutants_survive=gates_fail) if stage.kind == "verify" else ()
        if gates and gates_fail:
            error = (
                "gate:mutation-failed",
                "The mutation gate failed: 41 % of 60 %.",
                "Describe the limits in the request.",
            )
            fail_stage(claim, error, gates=gates)
            break
        finish_stage(claim, model=models[stage.kind], gates=gates)
    made.refresh_from_db()
    return made
