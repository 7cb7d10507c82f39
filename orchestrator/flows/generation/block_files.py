"""The files of a block that a flow is making: as stages store them and as the gates judge them."""

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gates.base import Candidate
from orchestrator.flows.generation import prompts
from orchestrator.flows.models import Artifact, Block, Stage
from orchestrator.flows.stage_outputs import ImplementOutput, PlanOutput, ReviewOutput
from orchestrator.flows.stage_protocol import StageContext

MODULE, TESTS, CONTRACT, README = "module", "tests", "contract", "readme"
"""Kinds of the artifacts that hold a block's files; a private module has ``module:`` and its name."""


@dataclass(frozen=True, slots=True)
class BlockName:
    """The family and the name of a block, and the names of its private modules; all are checked names."""

    family: str
    name: str
    private: tuple[str, ...] = ()

    @property
    def paths(self) -> dict[str, str]:
        """Artifact kind to file name, in the order in which files are answered."""
        # The contract comes first, as in the text of the prompt: module and tests follow it.
        return {
            CONTRACT: "contract.json",
            **{f"{MODULE}:{name}": f"{name}.py" for name in self.private},
            MODULE: f"{self.name}.py",
            TESTS: f"test_{self.name}.py",
        }

    def select_private(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Name to text of the private modules, from ``texts`` by artifact kind."""
        return {name: texts[f"{MODULE}:{name}"] for name in self.private}


def stable_prefix(work: StageContext) -> str:
    """What every call of the flow starts with: the context bundle in its fence."""
    # Read from the artifact and never built again: one other byte, and no vendor's cache hits.
    return prompts.repository_prefix((work.read_artifact("bundle") or b"").decode())


def read_block_name(work: StageContext) -> BlockName:
    """The name that the plan gave the block, and those of its private modules."""
    plan = PlanOutput.parse(work.read_output("plan"))
    return BlockName(plan.block_family, plan.block_name, plan.private_modules)


def read_block_files(work: StageContext) -> dict[str, str]:
    """The newest implementation, artifact kind to text; empty before the first round."""
    found = {kind: work.read_artifact(kind) for kind in read_block_name(work).paths}
    return {kind: content.decode() for kind, content in found.items() if content is not None}


def read_candidate(work: StageContext) -> Candidate:
    """The newest implementation as the gates see it."""
    name = read_block_name(work)
    texts = read_block_files(work)
    implementer = ImplementOutput.parse(work.read_output("implement"))
    plan = PlanOutput.parse(work.read_output("plan"))
    kept, withdrawn = split_examples(plan, ReviewOutput.parse(work.read_output("review")))
    return Candidate(
        family=name.family,
        name=name.name,
        module=texts[MODULE],
        tests=texts[TESTS],
        contract=texts[CONTRACT],
        implementer=f"{implementer.provider}:{implementer.model}",
        previous_contract=find_previous_contract(work.repo, name, before=_find_end(work)),
        planned_examples=kept,
        withdrawn_examples=withdrawn,
        planned_capabilities=frozenset(each["name"] for each in plan.capabilities),
        private_modules=name.select_private(texts),
    )


def split_examples(
    plan: PlanOutput, review: ReviewOutput
) -> tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...]]:
    """The plan's examples that count, and those that request and reviewer have settled to be wrong."""
    disputed = {each["number"]: each for each in review.wrong_examples}
    kept, withdrawn = [], []
    for number, example in enumerate(plan.examples, start=1):
        if number in disputed:
            withdrawn.append({**disputed[number], "example": example})
        else:
            kept.append(example)
    return tuple(kept), tuple(withdrawn)


def digest_files(files: Mapping[str, str]) -> str:
    """The SHA-256 of the files of a candidate: equal for equal blocks."""
    # Sorted, so that the order does not count; with lengths, so that text cannot move between two files.
    parts = (f"{path}\0{len(text.encode())}\0{text}" for path, text in sorted(files.items()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def digest_behaviour(texts: Mapping[str, str]) -> str:
    """The SHA-256 of what the documentation of a block depends on: its contract, and its modules without
    comments, docstrings and layout. ``texts`` are artifact kind to text.
    """
    modules = {kind: text for kind, text in texts.items() if kind.startswith(MODULE)}
    try:
        contract = json.dumps(json.loads(texts[CONTRACT]), sort_keys=True)
        behaviour = {kind: _dump_behaviour(text) for kind, text in modules.items()}
    except (ValueError, RecursionError, MemoryError):
        # Unreadable files are compared as they are; the gates reject them.
        return digest_files({CONTRACT: texts[CONTRACT], **modules})
    return digest_files({CONTRACT: contract, **behaviour})


def _dump_behaviour(module: str) -> str:
    tree = ast.parse(module)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _find_end(work: StageContext) -> datetime | None:
    """When this stage ended, where it is a replay: what was promised later, it could not know."""
    return Stage.objects.filter(pk=work.stage_id).values_list("finished_at", flat=True).first()


def find_previous_contract(repo: str, name: BlockName, *, before: int | datetime | None = None) -> str | None:
    """The contract of the newest verified version, which consumers may rely on.

    ``before`` leaves out that version and later ones, or those that are not older than that moment.
    """
    versions = Block.objects.filter(repo__name=repo, family=name.family, name=name.name, verified=True)
    if isinstance(before, datetime):
        versions = versions.filter(created_at__lt=before)
    elif before is not None:
        versions = versions.filter(version__lt=before)
    newest = versions.order_by("-version").first()
    if newest is None:
        return None
    # Every repair round stores a contract; the last one is that of the candidate that passed.
    artifact = (
        Artifact.objects.filter(flow_id=newest.flow_id, kind=CONTRACT)
        .select_related("blob")
        .order_by("-id")
        .first()
    )
    return bytes(artifact.blob.content).decode() if artifact else None
