"""Seal: the files of the block in the layout of the repo's ``.blocks`` folder, with the manifest that proves them."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from gates import score
from gates.base import Policy
from orchestrator.flows import evidence, policy, verdicts
from orchestrator.flows.blocks import CONTRACT, README, Name, archive, digest, name_of, written
from orchestrator.flows.stages.base import Done, Failed, NewArtifact, NewBlock, Result, Work

CALLING = ("context", "plan", "implement", "review", "docs")
JUDGING = ("verify", "review")


class Seal:
    """Seals and delivers. Artifacts ``block`` (tar.gz) and ``manifest``; output: paths, digests, verdict, score."""

    kind: ClassVar[str] = "seal"

    def run(self, work: Work) -> Result:
        name, gates = name_of(work), policy.gate_policy(work.settings)
        facts = [fact for kind in JUDGING for fact in work.output(kind).get("gates", [])]
        verified = gates.mode == "strict" and all(_fresh(work, kind) for kind in JUDGING)
        if gates.mode == "strict" and not verified:
            return Failed(
                "seal:not-judged",
                "The gates did not judge the files that would be sealed.",
                "Retry the flow from its verify stage; if this comes back, report it.",
            )
        files = _files(work, name, facts)
        quality = score.quality(verdicts.reports(facts)) if facts else Decimal(0)
        summary = str(work.output("plan").get("summary", ""))
        sealed = evidence.seal(_subject(work, name, gates, files, facts, summary=summary, quality=quality, verified=verified))
        delivered = {**files, f"{_folder(name)}/manifest.json": sealed.manifest}
        packed = archive(delivered)
        return Done(
            output={
                "family": name.family,
                "name": name.name,
                "verified": verified,
                "quality_score": str(quality),
                "manifest_sha256": sealed.sha256,
                "block_sha256": hashlib.sha256(packed).hexdigest(),
                "paths": sorted(delivered),
            },
            artifacts=(
                NewArtifact("block", f"{name.name}.tar.gz", packed, "application/gzip"),
                NewArtifact("manifest", "manifest.json", sealed.manifest, "application/json"),
            ),
            block=NewBlock(
                name.family, name.name, manifest=sealed.manifest, quality_score=quality, verified=verified, summary=summary
            ),
        )


def _folder(name: Name) -> str:
    return f".blocks/catalog/{name.family}/{name.name}"


def _fresh(work: Work, kind: str) -> bool:
    """Whether the newest verdict of ``kind`` is a pass and is about the files as they are now."""
    paths, output = name_of(work).paths, work.output(kind)
    files = {paths[kind]: text for kind, text in written(work).items()}
    return bool(output.get("passed")) and output.get("candidate_sha256") == digest(files)


def _files(work: Work, name: Name, facts: list[dict[str, Any]]) -> dict[str, bytes]:
    """Path in the repo to bytes: the block, its evidence, its schema."""
    folder, texts = _folder(name), written(work)
    files = {f"{folder}/{path}": texts[kind].encode() for kind, path in name.paths.items()}
    files[f"{folder}/README.md"] = work.artifact(README) or b""
    for fact in facts:
        for file, kept in fact["evidence"].items():
            if (content := work.artifact(kept["artifact"])) is not None:
                files[f"{folder}/evidence/{fact['gate']}/{file}"] = content
    files[f".blocks/schemas/{name.family}/{name.name}.json"] = _schema(name, texts[CONTRACT])
    return files


def _schema(name: Name, contract: str) -> bytes:
    """Input and output of every entry point as one JSON Schema document. A contract that is none gives no definitions."""
    try:
        entrypoints = json.loads(contract)["entrypoints"]
        definitions = {str(entry["call"]): {"input": entry["input"], "output": entry["output"]} for entry in entrypoints}
    except (ValueError, KeyError, TypeError):
        # Only where the gates do not block can such a contract come this far.
        definitions = {}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name.family}/{name.name}",
        "$defs": {f"{call}.{side}": schema for call, sides in sorted(definitions.items()) for side, schema in sides.items()},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False).encode() + b"\n"


def _subject(
    work: Work,
    name: Name,
    gates: Policy,
    files: Mapping[str, bytes],
    facts: list[dict[str, Any]],
    *,
    summary: str,
    quality: Decimal,
    verified: bool,
) -> evidence.Subject:
    calls = [(kind, call) for kind in CALLING for call in work.output(kind).get("calls", [])]
    return evidence.Subject(
        flow_id=work.flow_id,
        repo=work.repo,
        family=name.family,
        name=name.name,
        summary=summary,
        verified=verified,
        quality_score=quality,
        files=files,
        gates=tuple(
            evidence.GateFact(
                gate=fact["gate"],
                verdict=fact["verdict"],
                summary=fact["summary"],
                round=fact["round"],
                score=fact["score"],
                threshold=fact["threshold"],
                evidence={file: kept["sha256"] for file, kept in fact["evidence"].items()},
            )
            for fact in facts
        ),
        calls=tuple(
            evidence.CallFact(kind, call["round"], call["provider"], call["model"], call["request_id"], call["tokens"])
            for kind, call in calls
        ),
        prompts={call["prompt"]: call["prompt_digest"] for _, call in calls},
        policy={
            "mode": gates.mode,
            "min_unit_coverage": str(gates.min_unit_coverage),
            "min_mutation_kill_rate": str(gates.min_mutation_kill_rate),
        },
        context_sha256=str(work.output("context").get("bundle_sha256", "")),
        feature_request=work.feature_request,
        sealed_at=datetime.now(UTC),
    )


stage = Seal()
