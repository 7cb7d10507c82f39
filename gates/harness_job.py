"""Takes a candidate into the sandbox with the harness and brings the answer back."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gates import repo_files
from gates.base import Candidate, Policy
from gates.candidate import compute_digest, find_problems
from gates.sandbox import Job, Outcome, run_job

_HARNESS = Path(__file__).parent / "harness"
_START = b"import os, sys\nsys.path[0] = os.getcwd()\nfrom gates.harness.main import main\nmain()\n"
_ANSWER_BYTES = 16 << 20
MAX_SLACK = 4.0


class BlockNotMeasurable(Exception):
    """The block gave the harness nothing to measure. It is the implementer's to mend; the message says how."""

    code = "gates:not-judged"


class HarnessFailed(Exception):
    """The run yielded no result, so there is no verdict. The operator's, or the block's own doing."""

    code = "gates:no-result"


def run_harness(
    candidate: Candidate, policy: Policy, task: str, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Run one task of the harness on ``candidate``: ``contract``, ``coverage`` or ``mutation``.

    Raises ``BlockNotMeasurable`` for a block that cannot be measured, ``HarnessFailed`` where no result came back, and what the sandbox
    raises where there is none.
    """
    if found := find_problems(candidate):
        raise BlockNotMeasurable(
            "; ".join(f"{finding.path or candidate.name}: {finding.message}" for finding in found)
        )
    slack = _slack()
    spec = {
        "task": task,
        "name": candidate.name,
        "seed": compute_digest(candidate),
        "seconds": policy.wall_seconds * slack * 0.85,
        "slack": slack,
        **(extra or {}),
    }
    job = Job(
        argv=("python", "-I", "-B", "start.py"),
        files=_files(candidate),
        stdin=json.dumps(spec).encode(),
        wall_seconds=policy.wall_seconds * slack,
        max_output=_ANSWER_BYTES,
        extra_readonly={} if candidate.environment is None else {repo_files.PACKAGES: candidate.environment},
    )
    return _answer(run_job(job))


def _slack() -> float:
    """How many times more the clock may show than on a quiet machine, by the run queue of the last minute: 1 to 4.

    Runs are limited by processor time; the clock is there for what waits, and must not judge a block by its neighbours.
    """
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return round(min(MAX_SLACK, max(1.0, waiting)), 2)


def _files(candidate: Candidate) -> dict[str, bytes]:
    files = {"start.py": _START, "gates/__init__.py": b""}
    for source in sorted(_HARNESS.glob("*.py")):
        files[f"gates/harness/{source.name}"] = source.read_bytes()
    files |= {f"block/{path}": text.encode() for path, text in candidate.files.items()}
    files |= {
        f"{repo_files.REPO}/{path}": content
        for path, content in repo_files.select_repo_files(candidate).items()
    }
    return files


def _answer(outcome: Outcome) -> dict[str, Any]:
    if outcome.timed_out:
        raise HarnessFailed(f"no result within {outcome.wall_seconds:.0f} s")
    try:
        answer = json.loads(outcome.result)
    except (ValueError, RecursionError) as error:
        tail = outcome.stderr[-500:].decode("utf-8", "replace")
        raise HarnessFailed(
            f"the run ended without a result (exit {outcome.exit_code}, signal {outcome.signal}): {tail}"
        ) from error
    if "refused" in answer:
        raise BlockNotMeasurable(str(answer["refused"]))
    if "ok" not in answer:
        raise HarnessFailed(str(answer.get("error", "the harness gave no answer")))
    return dict(answer["ok"])
