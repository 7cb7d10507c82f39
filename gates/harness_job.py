"""Takes a candidate into the sandbox together with the harness, and brings the answer back."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gates import repo_files
from gates.base import Candidate, Policy
from gates.candidate import compute_digest, find_problems
from gates.errors import BlockNotMeasurable, HarnessFailed
from gates.harness.task import HarnessTask
from gates.sandbox import Job, Outcome, run_job

_HARNESS = Path(__file__).parent / "harness"
# In the sandbox the harness keeps its dotted name, so that its modules import each other as they do here.
_START = b"import os, sys\nsys.path[0] = os.getcwd()\nfrom gates.harness.main import main\nmain()\n"
_MAX_ANSWER_BYTES = 16 << 20
# The harness has to answer before the sandbox kills it.
_HARNESS_SHARE = 0.85
MAX_SLACK = 4.0


def run_harness(
    candidate: Candidate, policy: Policy, kind: str, entrypoints: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Run one task of the harness on ``candidate``: ``contract``, ``coverage`` or ``mutation``.

    Returns the task's answer as the harness gave it; ``gates.measurements`` parses it. Raises
    ``BlockNotMeasurable`` for a block that cannot be measured, ``HarnessFailed`` where no result came back,
    and ``SandboxUnavailable``.
    """
    if problems := find_problems(candidate):
        messages = [f"{finding.path or candidate.name}: {finding.message}" for finding in problems]
        raise BlockNotMeasurable("; ".join(messages))
    slack = _measure_slack()
    task = HarnessTask(
        kind=kind,
        name=candidate.name,
        seed=compute_digest(candidate),
        seconds=policy.wall_seconds * slack * _HARNESS_SHARE,
        slack=slack,
        entrypoints=tuple(entrypoints),
    )
    packages: dict[str, Path] = {}
    if candidate.environment is not None:
        packages[repo_files.PACKAGES] = candidate.environment
    job = Job(
        argv=("python", "-I", "-B", "start.py"),
        files=_collect_files(candidate),
        stdin=task.to_json(),
        wall_seconds=policy.wall_seconds * slack,
        max_output=_MAX_ANSWER_BYTES,
        extra_readonly=packages,
    )
    return _read_answer(run_job(job))


def _measure_slack() -> float:
    """How many times more the clock may show than on a quiet machine: 1 to 4, by the last minute's run queue.

    Runs are limited by processor time. The clock is there for code that waits, and must not judge a block by
    its neighbours.
    """
    waiting_per_core = os.getloadavg()[0] / (os.cpu_count() or 1)
    return round(min(MAX_SLACK, max(1.0, waiting_per_core)), 2)


def _collect_files(candidate: Candidate) -> dict[str, bytes]:
    files = {"start.py": _START, "gates/__init__.py": b""}
    for source in sorted(_HARNESS.glob("*.py")):
        files[f"gates/harness/{source.name}"] = source.read_bytes()
    for path, text in candidate.files.items():
        files[f"block/{path}"] = text.encode()
    # In a folder of its own, so that a file of the repo cannot replace the block or the harness.
    for path, content in repo_files.select_repo_files(candidate).items():
        files[f"{repo_files.REPO}/{path}"] = content
    return files


def _read_answer(outcome: Outcome) -> dict[str, Any]:
    """The object under ``ok``. The harness may also write a text under ``refused`` or ``error``."""
    if outcome.timed_out:
        raise HarnessFailed(f"no result within {outcome.wall_seconds:.0f} s")
    try:
        answer = json.loads(outcome.result)
    except (ValueError, RecursionError) as error:
        tail = outcome.stderr[-500:].decode("utf-8", "replace")
        ended = f"exit {outcome.exit_code}, signal {outcome.signal}"
        raise HarnessFailed(f"the run ended without a result ({ended}): {tail}") from error
    match answer:
        # The block's fault, and the only answer that is not an error of this side.
        case {"refused": str(reason)}:
            raise BlockNotMeasurable(reason)
        case {"ok": Mapping() as measured}:
            return dict(measured)
        case {"error": str(trace)}:
            raise HarnessFailed(trace)
    raise HarnessFailed("the harness gave no answer")
