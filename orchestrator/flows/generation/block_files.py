"""A block on its way: its files as the stages leave them, as the gates judge them, as they are delivered."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from gates.base import Candidate
from orchestrator.flows.generation import prompts
from orchestrator.flows.models import Artifact, Block
from orchestrator.flows.stage_protocol import StageContext

MODULE, TESTS, CONTRACT, README = "module", "tests", "contract", "readme"
"""Kinds of the artifacts that hold a block's files."""


@dataclass(frozen=True, slots=True)
class BlockName:
    """Where a block belongs: family and name are checked names."""

    family: str
    name: str

    @property
    def paths(self) -> dict[str, str]:
        """Artifact kind to file name, in the order in which files are answered."""
        return {MODULE: f"{self.name}.py", TESTS: f"test_{self.name}.py", CONTRACT: "contract.json"}


def stable_prefix(work: StageContext) -> str:
    """What every call of the flow starts with: the context bundle in its fence."""
    return prompts.repository_prefix((work.read_artifact("bundle") or b"").decode())


def read_block_name(work: StageContext) -> BlockName:
    """The name that the plan gave the block."""
    plan = work.read_output("plan")
    return BlockName(str(plan["block_family"]), str(plan["block_name"]))


def read_block_files(work: StageContext) -> dict[str, str]:
    """The newest implementation: artifact kind to text; empty before the first one."""
    found = {kind: work.read_artifact(kind) for kind in (MODULE, TESTS, CONTRACT)}
    return {kind: content.decode() for kind, content in found.items() if content is not None}


def read_candidate(work: StageContext) -> Candidate:
    """The newest implementation as the gates see it."""
    name, texts, implementer = read_block_name(work), read_block_files(work), work.read_output("implement")
    return Candidate(
        family=name.family,
        name=name.name,
        module=texts[MODULE],
        tests=texts[TESTS],
        contract=texts[CONTRACT],
        implementer=f"{implementer.get('provider', '')}:{implementer.get('model', '')}",
        previous_contract=find_previous_contract(work.repo, name),
    )


def digest_files(files: Mapping[str, str]) -> str:
    """SHA-256 over the files of a candidate: equal for equal blocks."""
    parts = (f"{path}\0{len(text.encode())}\0{text}" for path, text in sorted(files.items()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def find_previous_contract(repo: str, name: BlockName, *, before: int | None = None) -> str | None:
    """The contract of the newest verified version of the block (older than ``before``), which consumers may rely on."""
    versions = Block.objects.filter(repo__name=repo, family=name.family, name=name.name, verified=True)
    newest = (
        (versions if before is None else versions.filter(version__lt=before)).order_by("-version").first()
    )
    if newest is None:
        return None
    artifact = (
        Artifact.objects.filter(flow_id=newest.flow_id, kind=CONTRACT)
        .select_related("blob")
        .order_by("-id")
        .first()
    )
    return bytes(artifact.blob.content).decode() if artifact else None
