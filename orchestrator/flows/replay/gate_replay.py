"""The gates once more, on the sealed block and in its world of then: a verdict that cannot be had again is worth little.

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
from gates.base import Candidate, GateReport, Policy
from orchestrator.flows.evidence import downloads
from orchestrator.flows.generation.block_files import (
    CONTRACT,
    MODULE,
    TESTS,
    BlockName,
    find_previous_contract,
)
from orchestrator.flows.models import Blob, Block, Flow, GateReplay, ReplayStatus
from orchestrator.flows.replay import requests
from orchestrator.flows.verification import environment
from orchestrator.flows.verification.environment import BlockSurroundings

_REPORT = "Somebody has changed what was sealed: restore it from a backup, and treat it as an incident."


class NotReplayable(Exception):
    """The gates cannot be run as they were then; the message says what is missing. For operators."""

    def __init__(self, code: str, message: str, cure: str) -> None:
        super().__init__(message)
        self.code, self.cure = code, cure


def run(replay_id: int) -> None:
    """Run a replay that waits; one that another worker has taken is left to it."""
    asked = requests.take(GateReplay, replay_id)
    if asked is None:
        return
    comparison, error = [], None
    try:
        comparison = _compare(asked.flow)
    except NotReplayable as missing:
        error = {"code": missing.code, "message": str(missing), "cure": missing.cure}
    requests.end(asked, ReplayStatus.DONE, comparison=comparison, error=error)


def _compare(flow: Flow) -> list[dict[str, Any]]:
    files = _sealed_files(flow)
    manifest = json.loads(files[MANIFEST])
    around = _world(flow, manifest)
    sealed = {gate["gate"]: gate for gate in manifest["gates"] if gate["gate"] in runner.DEFAULT_GATES}
    subject = replace(
        _candidate(flow.block, manifest, files), repo_files=around.files, environment=around.environment
    )
    reports = runner.run_gates(subject, _policy(manifest["policy"]), tuple(sealed))
    return [_row(sealed[report.gate], report) for report in reports]


def _sealed_files(flow: Flow) -> dict[str, bytes]:
    """The files of the stored block, each as the manifest has it, and the manifest as the block's row has it."""
    try:
        files = archive.unpack(downloads.sealed_block(flow) or b"")
    except FormatError as error:
        raise _changed("The stored block cannot be read.") from error
    if sha256(files.get(MANIFEST, b"")) != flow.block.manifest_id:
        raise _changed("The manifest of the stored block was changed.")
    for path, entry in json.loads(files[MANIFEST])["files"].items():
        if sha256(files.get(path, b"")) != entry["sha256"]:
            raise _changed(f"{path} of the stored block was changed.")
    return files


def _world(flow: Flow, manifest: Mapping[str, Any]) -> BlockSurroundings:
    """The repo and the packages around the block as the manifest names them; packages that are gone are installed again."""
    # A manifest of before has no such entry; the flow then says what it carries.
    wanted = manifest.get("snapshot", {"sha256": flow.snapshot_id or ""})["sha256"]
    packed = b"" if not wanted else _snapshot(wanted)
    try:
        around = environment.build_surroundings(snapshot.unpack(packed))
    except (environments.EnvironmentRefused, environments.EnvironmentUnavailable) as error:
        raise NotReplayable(error.code, f"The packages of then cannot be had: {error}", error.cure) from error
    lock = manifest.get("dependencies_sha256", around.dependencies_sha256)
    if lock != around.dependencies_sha256:
        message = f"The snapshot's dependencies have the digest {around.dependencies_sha256 or 'of none'}, the sealed ones {lock}."
        raise NotReplayable("replay:dependencies-changed", message, _REPORT)
    return around


def _snapshot(wanted: str) -> bytes:
    content = Blob.objects.filter(pk=wanted).values_list("content", flat=True).first()
    if content is None:
        message = f"The repo's snapshot {wanted} is stored no more."
        raise NotReplayable(
            "replay:snapshot-missing", message, "Restore the table of blobs from a backup, then replay."
        )
    if (found := sha256(bytes(content))) != wanted:
        raise NotReplayable(
            "replay:snapshot-changed",
            f"The repo's snapshot {wanted} was changed: what is stored has the digest {found}.",
            _REPORT,
        )
    return bytes(content)


def _changed(message: str) -> NotReplayable:
    return NotReplayable("replay:block-changed", message, _REPORT)


def _row(sealed: Mapping[str, Any], report: GateReport) -> dict[str, Any]:
    return {
        "gate": report.gate,
        "sealed": sealed["verdict"],
        "sealed_score": sealed["score"],
        "replayed": str(report.verdict),
        "replayed_score": None if report.score is None else str(report.score),
        "summary": report.summary,
        "same": sealed["verdict"] == str(report.verdict),
    }


def _candidate(block: Block, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Candidate:
    name = BlockName(block.family, block.name)
    texts = {kind: files[path].decode() for kind, path in name.paths.items()}
    models = [call for call in manifest["calls"] if call["stage"] == "implement"]
    return Candidate(
        family=name.family,
        name=name.name,
        module=texts[MODULE],
        tests=texts[TESTS],
        contract=texts[CONTRACT],
        implementer=f"{models[-1]['provider']}:{models[-1]['model']}" if models else "",
        previous_contract=find_previous_contract(block.repo.name, name, before=block.version),
    )


def _policy(sealed: Mapping[str, str]) -> Policy:
    return Policy(
        mode=sealed["mode"],
        min_unit_coverage=Decimal(sealed["min_unit_coverage"]),
        min_mutation_kill_rate=Decimal(sealed["min_mutation_kill_rate"]),
    )
