"""What is sealed: the facts of a flow and its files, and the manifest that they make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from blocks.format.canonical import format_time, sha256
from blocks.format.manifest import CallFact, FileFact, GateFact, Manifest, write_manifest


@dataclass(frozen=True, slots=True)
class Subject:
    """What is sealed. ``files`` maps paths in the block to bytes, ``prompts`` a stage to its prompt's
    SHA-256.

    ``snapshot_sha256`` and ``origin`` name the repo around the block: empty where there was none, or
    where it came with the request. ``dependencies_sha256`` is the digest of the pins of the packages that
    the gates had; empty for none. ``edited_by`` names the person who edited the files; empty where models
    wrote all of them.
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
    edited_by: str = ""


def build_manifest(subject: Subject) -> bytes:
    """The manifest of ``subject``: the same facts give the same bytes."""
    return write_manifest(
        Manifest(
            flow=subject.flow_id,
            repo=subject.repo,
            family=subject.family,
            name=subject.name,
            summary=subject.summary,
            verified=subject.verified,
            # Text: the digits that were judged, not the nearest binary fraction.
            quality_score=str(subject.quality_score),
            sealed_at=format_time(subject.sealed_at),
            files={path: FileFact.of(content) for path, content in subject.files.items()},
            gates=subject.gates,
            calls=subject.calls,
            prompts=subject.prompts,
            policy=subject.policy,
            context_sha256=subject.context_sha256,
            snapshot_sha256=subject.snapshot_sha256,
            origin=subject.origin,
            dependencies_sha256=subject.dependencies_sha256,
            feature_request_sha256=sha256(subject.feature_request.encode()),
        )
    )
