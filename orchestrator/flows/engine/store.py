"""What a result carries beside its status: artifacts, gate results, the block.

All of it is written in the transaction of the finish. Only a snapshot is attached while the attempt runs.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import Max

from gates.base import GateReport
from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.engine import repo_limits, transitions
from orchestrator.flows.engine.claim import Claim
from orchestrator.flows.models import Artifact, Blob, Block, GateResult
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, NewBlock, Repair
from orchestrator.repos import repo_settings
from orchestrator.repos.models import Repo

_SQL = load_statements(__file__)


def store_result(claim: Claim, result: Done | Repair | Failed) -> Any:
    """Lock the flow and write everything that ``result`` carries; the flow. Raises ``Fenced`` before it has
    written anything.
    """
    # The fence comes first: artifacts of a late attempt would replace those of the live one.
    held = transitions.lock_claim(claim)
    _store_artifacts(held, claim.stage_id, result.artifacts)
    _store_gate_results(claim, result.gates)
    if isinstance(result, Done):
        if result.block_family and not claim.block_family:
            family = {"flow": claim.flow_id, "family": result.block_family}
            database.fetch_rows(_SQL["choose_family"], family)
        if result.block is not None:
            _store_block(claim, held.repo_id, result.block)
    return held


def attach_snapshot(claim: Claim, snapshot: bytes, origin: str) -> None:
    """Attach ``snapshot`` to a flow that has none, even if the attempt fails later.

    Raises ``Fenced``, and ``RepoLimitReached`` where the repo may not keep as much.
    """
    limits = repo_settings.read_limits(claim.repo)
    # Before the flow is locked: a snapshot may have megabytes.
    digest = hashlib.sha256(snapshot).hexdigest()
    with transaction.atomic():
        held = transitions.lock_claim(claim)
        repo_limits.require_storage(Repo(pk=held.repo_id, name=claim.repo), limits, digest, len(snapshot))
        _store_hashed([(digest, snapshot)], held.repo_id)
        database.fetch_rows(
            _SQL["attach_snapshot"], {"flow": claim.flow_id, "snapshot": digest, "origin": origin}
        )


def keep_artifacts(claim: Claim, artifacts: tuple[NewArtifact, ...]) -> None:
    """Store ``artifacts`` of a live attempt before it ends; raises ``Fenced``."""
    with transaction.atomic():
        held = transitions.lock_claim(claim)
        _store_artifacts(held, claim.stage_id, artifacts)


def keep_preparation(
    flow_id: str, stage_id: int, artifacts: tuple[NewArtifact, ...], snapshot: bytes = b"", origin: str = ""
) -> bool:
    """Store what was prepared for a stage that does not run yet. False, and nothing stored, where it does.

    A stage that runs has read the flow as it was and must not find another snapshot at its end. Raises
    ``RepoLimitReached`` where the repo may not keep as much.
    """
    digest = hashlib.sha256(snapshot).hexdigest()
    with transaction.atomic():
        held = transitions.lock_flow(flow_id)
        if held is None or not database.fetch_rows(_SQL["lock_waiting_stage"], {"stage": stage_id}):
            return False
        if snapshot:
            repo = Repo.objects.get(pk=held.repo_id)
            limits = repo_settings.read_limits(repo.name)
            repo_limits.require_storage(repo, limits, digest, len(snapshot))
            _store_hashed([(digest, snapshot)], held.repo_id)
            params = {"flow": flow_id, "snapshot": digest, "origin": origin}
            database.fetch_rows(_SQL["attach_snapshot"], params)
        _store_artifacts(held, stage_id, artifacts)
    return True


def store_blobs(contents: Iterable[bytes], repo_id: int) -> list[str]:
    """Store contents under their SHA-256, once each, as brought by the repo; the digests in order."""
    hashed = [(hashlib.sha256(content).hexdigest(), content) for content in contents]
    _store_hashed(hashed, repo_id)
    return [digest for digest, _ in hashed]


def _store_hashed(hashed: Iterable[tuple[str, bytes]], repo_id: int) -> None:
    new = {
        digest: Blob(sha256=digest, content=content, size=len(content), repo_id=repo_id)
        for digest, content in hashed
    }
    # In the order of their keys: two transactions with the same blobs would otherwise wait for each other.
    Blob.objects.bulk_create([new[digest] for digest in sorted(new)], ignore_conflicts=True)


def _store_artifacts(held: Any, stage_id: int, artifacts: tuple[NewArtifact, ...]) -> None:
    """Store artifacts of a stage of the flow ``held``, which is locked."""
    if not artifacts:
        return
    digests = store_blobs((artifact.content for artifact in artifacts), held.repo_id)
    Artifact.objects.bulk_create(
        [
            Artifact(
                flow_id=held.id,
                stage_id=stage_id,
                kind=new.kind,
                name=new.name,
                media_type=new.media_type,
                blob_id=digest,
            )
            for new, digest in zip(artifacts, digests, strict=True)
        ],
        # A failed attempt may have left artifacts; those of the newest attempt count.
        update_conflicts=True,
        unique_fields=["stage", "kind"],
        update_fields=["name", "media_type", "blob", "created_at"],
    )


def _store_gate_results(claim: Claim, reports: tuple[GateReport, ...]) -> None:
    if not reports:
        return
    fields = [
        "round",
        "verdict",
        "score",
        "threshold",
        "summary",
        "cure",
        "findings",
        "details",
        "seconds",
        "created_at",
    ]
    GateResult.objects.bulk_create(
        [
            GateResult(
                flow_id=claim.flow_id,
                stage_id=claim.stage_id,
                gate=report.gate,
                round=claim.round,
                verdict=report.verdict.value,
                score=report.score,
                threshold=report.threshold,
                summary=report.summary,
                cure=report.cure,
                findings=[asdict(finding) for finding in report.findings],
                details=dict(report.details),
                seconds=report.seconds,
            )
            for report in reports
        ],
        update_conflicts=True,
        unique_fields=["stage", "gate"],
        update_fields=fields,
    )


def _store_block(claim: Claim, repo_id: int, new: NewBlock) -> None:
    """Store the next version of the block.

    Two flows that write the same block wait for each other here, after the locks of their flows.
    """
    database.fetch_rows(_SQL["lock_block_name"], {"key": f"{repo_id}/{new.family}/{new.name}"})
    earlier = Block.objects.filter(repo_id=repo_id, family=new.family, name=new.name).aggregate(
        newest=Max("version")
    )
    (manifest,) = store_blobs([new.manifest], repo_id)
    Block.objects.create(
        flow_id=claim.flow_id,
        repo_id=repo_id,
        family=new.family,
        name=new.name,
        version=(earlier["newest"] or 0) + 1,
        summary=new.summary,
        manifest_id=manifest,
        quality_score=new.quality_score,
        verified=new.verified,
    )
