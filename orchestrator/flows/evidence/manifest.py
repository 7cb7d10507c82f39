"""The manifest: SHA-256 of every file of a block, and the facts that led to it, as JSON with sorted keys."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from orchestrator.flows.evidence.canonical import sha256, time_text

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class GateFact:
    """One gate's verdict. Percentages as text, so that no reader rounds them; ``evidence`` maps file name to SHA-256."""

    gate: str
    verdict: str
    summary: str
    round: int
    score: str | None = None
    threshold: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallFact:
    """One model call that led to the block. Tokens by kind as the provider counted them."""

    stage: str
    round: int
    provider: str
    model: str
    request_id: str
    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is sealed. ``files`` maps paths in the delivered tree to bytes; ``prompts`` a stage to its prompt's SHA-256.

    ``snapshot_sha256`` and ``origin`` name the repo around the block: empty where there was none, or it came with the request.
    ``dependencies_sha256`` is the digest of the pins of the packages that the gates had; empty for none.
    """

    flow_id: str
    repo: str
    family: str
    name: str
    summary: str
    verified: bool
    quality_score: Decimal
    files: Mapping[str, bytes] = field(repr=False)
    gates: tuple[GateFact, ...]
    calls: tuple[CallFact, ...]
    prompts: Mapping[str, str]
    policy: Mapping[str, str]
    context_sha256: str
    snapshot_sha256: str
    origin: str
    dependencies_sha256: str
    feature_request: str = field(repr=False)
    sealed_at: datetime


def write(subject: Subject) -> bytes:
    """The manifest of ``subject``: the same facts give the same bytes."""
    return json.dumps(_manifest(subject), indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _manifest(subject: Subject) -> dict[str, Any]:
    return {
        "manifest": FORMAT,
        "flow": subject.flow_id,
        "repo": subject.repo,
        "family": subject.family,
        "name": subject.name,
        "summary": subject.summary,
        "verified": subject.verified,
        "quality_score": str(subject.quality_score),
        "sealed_at": time_text(subject.sealed_at),
        "files": {
            path: {"sha256": sha256(content), "size": len(content)}
            for path, content in sorted(subject.files.items())
        },
        "gates": [asdict(gate) for gate in subject.gates],
        "calls": [asdict(call) for call in subject.calls],
        "prompts": dict(subject.prompts),
        "policy": dict(subject.policy),
        "context_sha256": subject.context_sha256,
        "snapshot": {"sha256": subject.snapshot_sha256, "origin": subject.origin},
        "dependencies_sha256": subject.dependencies_sha256,
        "feature_request_sha256": sha256(subject.feature_request.encode()),
    }
