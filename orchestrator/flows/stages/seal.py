"""Seal: the files of the block as they are stored in its folder, with the manifest that proves them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from blocks.format.canonical import sha256
from blocks.format.manifest import CallFact, GateFact
from gates import score
from gates.base import Policy
from orchestrator.flows.evidence import log, sealing, setup
from orchestrator.flows.evidence.manifest import Subject, build_manifest
from orchestrator.flows.generation.block_files import (
    README,
    BlockName,
    digest_files,
    read_block_files,
    read_block_name,
)
from orchestrator.flows.stage_outputs import (
    ContextOutput,
    ImplementOutput,
    JudgedGate,
    PlanOutput,
    RecordedCall,
    ReviewOutput,
    VerifyOutput,
    parse_calls,
)
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, NewBlock, StageContext, StageResult
from orchestrator.flows.verification import gate_reports

CALLING = ("context", "plan", "implement", "review", "docs")
JUDGING: dict[str, type[VerifyOutput | ReviewOutput]] = {"verify": VerifyOutput, "review": ReviewOutput}


class SealStage:
    """Seals and delivers. Artifacts ``block`` (tar.gz) and ``manifest``; output: paths, digests, verdict,
    score.
    """

    kind: ClassVar[str] = "seal"

    def prepare(self) -> None:
        """As a worker starts: log what is wrong with key and store, before a flow is refused for it."""
        setup.log_problems()

    def run(self, context: StageContext) -> StageResult:
        subject = _read_judged(context)
        if isinstance(subject, Failed):
            return subject
        # Signed and logged before the engine calls the flow passed. A crash in between leaves an entry of the
        # log that was not delivered, never a passed flow without its proof.
        sealed = sealing.seal(subject, context.read_artifact("bundle") or b"")
        return Done(
            output={
                **_summarise_seal(subject, sealed.sha256),
                "block_sha256": sha256(sealed.block),
                "log_sequence": sealed.sequence,
                "paths": sorted(sealed.files),
            },
            artifacts=(
                NewArtifact("block", f"{subject.name}.tar.gz", sealed.block, "application/gzip"),
                NewArtifact("manifest", "manifest.json", sealed.manifest, "application/json"),
            ),
            block=NewBlock(
                subject.family,
                subject.name,
                manifest=sealed.manifest,
                quality_score=subject.quality_score,
                verified=subject.verified,
                summary=subject.summary,
            ),
        )

    def rehearse(self, context: StageContext) -> StageResult:
        """What a replay compares: the manifest. It signs nothing, logs nothing and stores nothing."""
        subject = _read_judged(context)
        if isinstance(subject, Failed):
            return subject
        text = build_manifest(subject)
        return Done(
            output=_summarise_seal(subject, sha256(text)),
            artifacts=(NewArtifact("manifest", "manifest.json", text, "application/json"),),
        )


def _read_judged(context: StageContext) -> Subject | Failed:
    """What is to be sealed, if the gates have judged it as it is now."""
    name, gates = read_block_name(context), context.settings.gates
    judged = [output.parse(context.read_output(kind)) for kind, output in JUDGING.items()]
    facts = [fact for output in judged for fact in output.gates]
    # Digests are compared, not order or time: a file may change after its verdict when a person retries a
    # stage.
    verified = gates.mode == "strict" and all(_is_fresh(context, output) for output in judged)
    if gates.mode == "strict" and not verified:
        return Failed(
            "seal:not-judged",
            "The gates did not judge the files that would be sealed.",
            "Retry the flow from its verify stage; if this comes back, report it.",
        )
    # Other modes deliver too, as a block that is not verified.
    files = _gather_files(context, name, facts)
    quality = score.compute_quality(gate_reports.restore_reports(facts)) if facts else Decimal(0)
    summary = PlanOutput.parse(context.read_output("plan")).summary
    return _build_subject(
        context, name, gates, files, facts, summary=summary, quality=quality, verified=verified
    )


def _summarise_seal(subject: Subject, manifest_sha256: str) -> dict[str, Any]:
    return {
        "family": subject.family,
        "name": subject.name,
        "verified": subject.verified,
        "quality_score": str(subject.quality_score),
        "manifest_sha256": manifest_sha256,
    }


def _is_fresh(context: StageContext, output: VerifyOutput | ReviewOutput) -> bool:
    """Whether the verdict in ``output`` is a pass and is about the files as they are now."""
    paths = read_block_name(context).paths
    files = {paths[kind]: text for kind, text in read_block_files(context).items()}
    return output.passed and output.candidate_sha256 == digest_files(files)


def _gather_files(context: StageContext, name: BlockName, facts: list[JudgedGate]) -> dict[str, bytes]:
    """Path inside the block's folder to bytes: module, tests, contract, README, and the gates' evidence."""
    texts = read_block_files(context)
    files = {path: texts[kind].encode() for kind, path in name.paths.items()}
    files["README.md"] = context.read_artifact(README) or b""
    for fact in facts:
        for file, kept in fact.evidence.items():
            if (content := context.read_artifact(kept.artifact)) is not None:
                files[f"evidence/{fact.gate}/{file}"] = content
    return files


def _build_subject(
    context: StageContext,
    name: BlockName,
    gates: Policy,
    files: Mapping[str, bytes],
    facts: list[JudgedGate],
    *,
    summary: str,
    quality: Decimal,
    verified: bool,
) -> Subject:
    calls = [(kind, call) for kind in CALLING for call in parse_calls(context.read_output(kind))]
    return Subject(
        flow_id=context.flow_id,
        repo=context.repo,
        family=name.family,
        name=name.name,
        summary=summary,
        verified=verified,
        quality_score=quality,
        files=files,
        gates=tuple(
            GateFact(
                gate=fact.gate,
                verdict=fact.verdict,
                summary=fact.summary,
                round=fact.round,
                score=fact.score,
                threshold=fact.threshold,
                evidence={file: kept.sha256 for file, kept in fact.evidence.items()},
            )
            for fact in facts
        ),
        calls=tuple(
            CallFact(kind, call.round, call.provider, call.model, call.request_id, call.tokens)
            for kind, call in calls
        ),
        prompts=_digest_prompts([call for _, call in calls]),
        policy={
            "mode": gates.mode,
            "min_unit_coverage": str(gates.min_unit_coverage),
            "min_mutation_kill_rate": str(gates.min_mutation_kill_rate),
            "capabilities": ",".join(sorted(gates.capabilities)),
        },
        context_sha256=ContextOutput.parse(context.read_output("context")).bundle_sha256,
        snapshot_sha256=sha256(snapshot) if (snapshot := context.snapshot) else "",
        origin=context.origin,
        dependencies_sha256=VerifyOutput.parse(context.read_output("verify")).dependencies_sha256,
        feature_request=context.feature_request,
        # The time of the first attempt, so that a second one writes the same bytes.
        sealed_at=log.first_sealed_at(context.flow_id),
        edited_by=ImplementOutput.parse(context.read_output("implement")).edited_by,
    )


def _digest_prompts(calls: list[RecordedCall]) -> dict[str, str]:
    """Prompt to SHA-256; the repair prompt, where a repair round was asked for, beside the one it adds to."""
    found = {call.prompt: call.prompt_digest for call in calls}
    repairs = [call.repair_digest for call in calls if call.repair_digest]
    return found | ({"repair": repairs[-1]} if repairs else {})


stage = SealStage()
