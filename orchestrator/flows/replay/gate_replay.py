"""The gates run again on the sealed block, in its original environment: a verdict should be repeatable.

The review is not repeated: what a model said once is evidence, what it would say today is another opinion.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from blocks.format import archive, snapshot
from blocks.format.canonical import sha256
from blocks.format.errors import FormatError
from blocks.format.manifest import MANIFEST
from gates import environments, runner
from gates.base import CONTRACT_PATH, Candidate, GateReport, Policy
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.flows.evidence import downloads
from orchestrator.flows.generation.block_files import (
    CONTRACT,
    MODULE,
    TESTS,
    BlockName,
    find_previous_contract,
)
from orchestrator.flows.models import Blob, Block, Flow
from orchestrator.flows.replay import requests
from orchestrator.flows.verification import environment, gate_reports
from orchestrator.flows.verification.environment import BlockSurroundings

_REPORT = "Somebody has changed what was sealed: restore it from a backup, and treat it as an incident."


class NotReplayable(OrchestratorError):
    """The gates cannot be run in their original environment; the message says what is missing."""

    code = "replay:not-replayable"
    fixed_by = FixedBy.OPERATOR


def run_requested(replay_id: int) -> None:
    """Run a replay of the gates that waits; one that another worker has taken is left to it."""
    replay = requests.take_replay(replay_id)
    if replay is None:
        return
    try:
        comparison = _compare_gates(replay.flow)
    except NotReplayable as missing:
        error = {"code": missing.code, "message": str(missing), "cure": missing.cure}
        requests.finish_replay(replay, same=False, result=[], error=error)
        return
    # A comparison of nothing proves nothing, so it is not the same.
    same = bool(comparison) and all(row["same"] for row in comparison)
    requests.finish_replay(replay, same=same, result=comparison)


def _compare_gates(flow: Flow) -> list[dict[str, Any]]:
    files = _read_sealed_files(flow)
    manifest = json.loads(files[MANIFEST])
    around = _rebuild_surroundings(flow, manifest)
    # The manifest also lists the review, which is a model's opinion and is not run again.
    sealed = {gate["gate"]: gate for gate in manifest["gates"] if gate["gate"] in runner.DEFAULT_GATES}
    subject = replace(
        _build_candidate(flow.block, manifest, files), repo_files=around.files, environment=around.environment
    )
    found = runner.run_gates(subject, _parse_policy(manifest["policy"]), tuple(sealed))
    reports = gate_reports.redact_reports(found, subject)
    return [_compare_gate(sealed[report.gate], report) for report in reports]


def _read_sealed_files(flow: Flow) -> dict[str, bytes]:
    """The files of the stored block, checked against the manifest, and that against the block's row."""
    try:
        files = archive.unpack(downloads.sealed_block(flow) or b"")
    except FormatError as error:
        raise _tampered_block("The stored block cannot be read.") from error
    # The row is the anchor: files and manifest are in one archive, so both could be changed together.
    if sha256(files.get(MANIFEST, b"")) != flow.block.manifest_id:
        raise _tampered_block("The manifest of the stored block was changed.")
    # From the manifest's side, so that a file that was removed is noticed as well.
    for path, entry in json.loads(files[MANIFEST])["files"].items():
        if sha256(files.get(path, b"")) != entry["sha256"]:
            raise _tampered_block(f"{path} of the stored block was changed.")
    return files


def _rebuild_surroundings(flow: Flow, manifest: Mapping[str, Any]) -> BlockSurroundings:
    """Rebuild the repo and the packages around the block as the manifest names them.

    Packages that are no longer there are installed again.
    """
    # A manifest of an earlier version has no such entry; the flow itself says then what it carries.
    wanted = manifest.get("snapshot", {"sha256": flow.snapshot_id or ""})["sha256"]
    # An empty digest: the flow carried no repo, so its block was judged alone.
    packed = b"" if not wanted else _read_snapshot(wanted)
    try:
        around = environment.build_surroundings(snapshot.unpack(packed))
    except (environments.EnvironmentRefused, environments.EnvironmentUnavailable) as error:
        raise NotReplayable(
            f"The original packages are not available: {error}", code=error.code, cure=error.cure
        ) from error
    lock = manifest.get("dependencies_sha256", around.dependencies_sha256)
    if lock != around.dependencies_sha256:
        found = around.dependencies_sha256 or "of none"
        message = f"The snapshot's dependencies have the digest {found}, the sealed ones {lock}."
        raise NotReplayable(message, code="replay:dependencies-changed", cure=_REPORT)
    return around


def _read_snapshot(wanted: str) -> bytes:
    content = Blob.objects.filter(pk=wanted).values_list("content", flat=True).first()
    if content is None:
        raise NotReplayable(
            f"The repo's snapshot {wanted} is no longer stored.",
            code="replay:snapshot-missing",
            cure="Restore the table of blobs from a backup, then replay.",
        )
    if (found := sha256(bytes(content))) != wanted:
        raise NotReplayable(
            f"The repo's snapshot {wanted} was changed: what is stored has the digest {found}.",
            code="replay:snapshot-changed",
            cure=_REPORT,
        )
    return bytes(content)


def _tampered_block(message: str) -> NotReplayable:
    return NotReplayable(message, code="replay:block-changed", cure=_REPORT)


def _compare_gate(sealed: Mapping[str, Any], report: GateReport) -> dict[str, Any]:
    return {
        "gate": report.gate,
        "sealed": sealed["verdict"],
        "sealed_score": sealed["score"],
        "replayed": str(report.verdict),
        "replayed_score": None if report.score is None else str(report.score),
        "summary": report.summary,
        "same": sealed["verdict"] == str(report.verdict),
    }


def _build_candidate(block: Block, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Candidate:
    # The module's own file aside, what begins with its name is a private module.
    private = [path.removesuffix(".py") for path in files if _is_private_module(path, block.name)]
    name = BlockName(block.family, block.name, tuple(sorted(private)))
    texts = {kind: files[path].decode() for kind, path in name.paths.items()}
    # The newest implementation is the one that was sealed.
    models = [call for call in manifest["calls"] if call["stage"] == "implement"]
    return Candidate(
        family=name.family,
        name=name.name,
        module=texts[MODULE],
        tests=texts[TESTS],
        contract=texts[CONTRACT],
        implementer=f"{models[-1]['provider']}:{models[-1]['model']}" if models else "",
        # The contract before this version, not the newest: later blocks must not change the verdict on this
        # one.
        previous_contract=find_previous_contract(block.repo.name, name, before=block.version),
        planned_examples=_read_planned_examples(files),
        private_modules=name.select_private(texts),
    )


def _is_private_module(path: str, block: str) -> bool:
    return path.startswith(f"{block}_") and path.endswith(".py") and "/" not in path


def _read_planned_examples(files: Mapping[str, bytes]) -> tuple[Mapping[str, Any], ...]:
    """The plan's examples, as the sealed report of the contract gate lists them; none in earlier blocks."""
    report = json.loads(files.get(f"evidence/contract/{CONTRACT_PATH}", b"{}"))
    return tuple(report.get("planned_examples", ()))


def _parse_policy(sealed: Mapping[str, str]) -> Policy:
    return Policy(
        mode=sealed["mode"],
        min_unit_coverage=Decimal(sealed["min_unit_coverage"]),
        min_mutation_kill_rate=Decimal(sealed["min_mutation_kill_rate"]),
        # Blocks from before capabilities were sealed with none.
        capabilities=frozenset(sealed.get("capabilities", "").split(",")) - {""},
    )
