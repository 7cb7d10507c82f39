"""One request of a job from its start to its proposal and its comment."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks.cli import block_download, output, terminal
from blocks.cli.ci import wording
from blocks.cli.ci.code_host import CodeHost, Proposal, keep_comment, keep_proposal
from blocks.cli.ci.flow_requests import FlowRequest
from blocks.cli.ci.identity import Identity
from blocks.cli.ci.job import CiJob
from blocks.cli.ci.work_branch import Repository
from blocks.cli.errors import Exit, Failure
from blocks.cli.flow_following import follow_to_end
from blocks.format import work_tree
from blocks.format.selection import BLOCKS_FOLDER

# A token of the service lasts 15 minutes; a longer wait is done in parts, each with a token of its own.
_PART_SECONDS = 540.0


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """How a request ended: the flow as the service shows it, and its proposal where there is one."""

    request: FlowRequest
    flow: dict[str, Any]
    gates: list[dict[str, Any]]
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class FlowRunner:
    """What every request of a job needs. Without ``host`` nothing is commented on or proposed."""

    job: CiJob
    repository: Repository
    repo: str
    identity: Identity
    host: CodeHost | None
    propose: bool
    timeout: float

    def run(self, request: FlowRequest) -> FinishedRun:
        """Run one request to its end; raises ``Failure`` where it has not ended in time."""
        flow = self._start(request)
        self._comment(request, wording.describe_start(request, flow, self.job.run_url))
        flow = self._follow(flow["id"])
        with self.identity.connect() as client:
            gates = client.get(f"flows/{flow['id']}/gates/")["gates"]
        proposal = self._propose(request, flow, gates) if flow["status"] == "passed" else None
        url = proposal.url if proposal else None
        self._comment(request, wording.describe_result(request, flow, gates, url, self.job.run_url))
        return FinishedRun(request, flow, gates, proposal)

    def _start(self, request: FlowRequest) -> dict[str, Any]:
        # The same text for the same purpose is the same flow: a job that is run again does not pay again.
        words = "\0".join((self.job.project, request.name, request.text))
        key = f"ci-{hashlib.sha256(words.encode()).hexdigest()}"
        body: dict[str, Any] = {"repo": self.repo, "feature_request": request.text}
        collected = work_tree.collect_files(self.repository.root)
        if collected.files:
            body["context"] = {"files": collected.files}
        with self.identity.connect() as client:
            flow: dict[str, Any] = client.post("flows/", body, key=key)
        output.print_line(f"Flow {flow['id']} for {request.origin}")
        return flow

    def _follow(self, flow_id: str) -> dict[str, Any]:
        until = time.monotonic() + self.timeout
        console = terminal.make_console()
        while True:
            left = until - time.monotonic()
            try:
                with self.identity.connect() as client:
                    return follow_to_end(
                        client, flow_id, console, timeout=min(left, _PART_SECONDS), quiet=False
                    )
            except Failure as failure:
                if failure.exit_code != Exit.STILL_RUNNING or left <= _PART_SECONDS:
                    raise

    def _propose(
        self, request: FlowRequest, flow: dict[str, Any], gates: list[dict[str, Any]]
    ) -> Proposal | None:
        root = self.repository.root
        with self.identity.connect() as client:
            fetched = block_download.download_block(client, flow["id"], root / BLOCKS_FOLDER)
        output.print_line(f"Block {fetched.placed.folder.relative_to(root)}: {fetched.proof}")
        if self.host is None or not self.propose:
            return None
        base = self.job.branch
        files = _read_placed(root, fetched.placed)
        folder = fetched.placed.folder.relative_to(root).as_posix()
        evidence_url = self.job.folder_url(request.branch, folder)
        text = wording.describe_proposal(request, flow, gates, fetched.proof, evidence_url)
        message = f"Add block {wording.block_name(flow)}\n\nFlow: {flow['id']}\n"
        open_one = self.host.find_proposal(request.branch, base)
        self.repository.push_files(request.branch, base, files, folder, message, on_top=open_one is not None)
        return keep_proposal(self.host, text, request.branch, base)

    def _comment(self, request: FlowRequest, body: str) -> None:
        if self.host is not None and request.subject is not None:
            keep_comment(self.host, request.subject, request.marker, body)


def _read_placed(root: Path, placed: Any) -> dict[str, bytes]:
    """Path in the repo to bytes of a block that was put in place, and of its schema."""
    paths = [path for path in sorted(placed.folder.rglob("*")) if path.is_file()]
    if placed.schema is not None:
        paths.append(placed.schema)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
