"""Takes a candidate into the sandbox together with the harness, and brings the answer back."""

import json
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.crypto import salted_hmac

from gates import repo_files
from gates.base import Candidate, Policy
from gates.candidate import compute_digest, find_problems, list_granted_capabilities
from gates.errors import BlockNotMeasurable, HarnessFailed
from gates.harness.task import HarnessRequest, HarnessTask
from gates.sandbox import Job, Outcome, run_job
from orchestrator.core.errors import OrchestratorError

_HARNESS = Path(__file__).parent / "harness"
# The only file of the harness that the sandbox has on its disk; it reads the others from standard input.
_START = "start.py"
# What zygotes and their children need. The others make mutants and know the task.
_CHILD_MODULES = frozenset(
    {
        "channel",
        "child_work",
        "code_importer",
        "conditions",
        "confinement",
        "entry_points",
        "import_path",
        "json_schema",
        "patterns",
        "pytest_run",
        "zygote",
    }
)
_LENGTH_DIGITS = 10
_MAX_ANSWER_BYTES = 16 << 20
# The harness has to answer before the sandbox kills it. It leaves out the time for which the machine had no
# processor; the sandbox's clock does not, and is there for a harness that never answers.
_HARNESS_SHARE, _MOST_BUSY = 0.85, 4
_TASKS, _TASKS_WITH_NETWORK = 64, 256
_MAX_SECONDS = 1_000_000


def run_harness(
    candidate: Candidate, policy: Policy, kind: str, entrypoints: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Run one task of the harness on ``candidate``: ``contract``, ``coverage`` or ``mutation``.

    Returns the task's answer as the harness gave it; ``gates.measurements`` parses it. Where several gates
    share a run, its answer is taken. Raises ``BlockNotMeasurable`` for a block that cannot be measured,
    ``HarnessFailed`` where no result came back, and ``SandboxUnavailable``.
    """
    answer: Mapping[str, Any] | None = None
    if candidate.shared_run is not None:
        answer = candidate.shared_run.find_answer(kind)
    if answer is None:
        answer = run_requests(candidate, policy, [HarnessRequest(kind, tuple(entrypoints))]).get(kind, {})
    match answer:
        # The block's fault, and the only answer that is not an error of this side.
        case {"refused": str(reason)}:
            raise BlockNotMeasurable(reason)
        case {"ok": Mapping() as measured}:
            return dict(measured)
        case {"error": str(trace)}:
            raise HarnessFailed(trace)
    raise HarnessFailed("the harness gave no answer")


class SharedHarness:
    """One run of the harness for all requests of a candidate, made when the first answer is asked for.

    Safe from several threads: the second waits for the first.
    """

    def __init__(self, candidate: Candidate, policy: Policy, requests: Sequence[HarnessRequest]) -> None:
        self._candidate, self._policy, self._requests = candidate, policy, requests
        self._kinds = {request.kind for request in requests}
        self._lock = threading.Lock()
        self._answers: dict[str, Any] | None = None
        self._error: OrchestratorError | None = None

    def find_answer(self, kind: str) -> Mapping[str, Any] | None:
        """As ``gates.base.SharedRun`` says. Raises what ``run_requests`` raises."""
        if kind not in self._kinds:
            return None
        with self._lock:
            if self._answers is None and self._error is None:
                try:
                    self._answers = run_requests(self._candidate, self._policy, self._requests)
                except OrchestratorError as error:
                    self._error = error
        if self._error:
            raise self._error
        answer = (self._answers or {}).get(kind, {})
        return answer if isinstance(answer, Mapping) else {}

    def find_seconds(self, kind: str) -> float | None:
        """Seconds that the harness says this request took; ``None`` where it was not made."""
        if kind not in self._kinds:
            return None
        match (self._answers or {}).get(kind):
            case {"seconds": int() | float() as seconds} if 0 <= seconds < _MAX_SECONDS:
                return float(seconds)
        return None


def run_requests(candidate: Candidate, policy: Policy, requests: Sequence[HarnessRequest]) -> dict[str, Any]:
    """Answer ``requests`` in one sandbox; by kind. Raises what ``run_harness`` raises."""
    if problems := find_problems(candidate):
        messages = [f"{finding.path or candidate.name}: {finding.message}" for finding in problems]
        raise BlockNotMeasurable("; ".join(messages))
    digest = compute_digest(candidate)
    # The author of a block knows its digest; what follows from these is known here alone.
    secret = salted_hmac("gates.harness", digest, algorithm="sha256").hexdigest()
    hash_seed = salted_hmac("gates.hash-seed", digest, algorithm="sha256").hexdigest()[:8]
    task = HarnessTask(
        sources={path.removesuffix(".py"): text for path, text in candidate.modules.items()},
        seed=digest,
        secret=secret,
        seconds=policy.wall_seconds * _HARNESS_SHARE,
        requests=tuple(requests),
    )
    packages: dict[str, Path] = {}
    if candidate.environment is not None:
        packages[repo_files.PACKAGES] = candidate.environment
    has_network = "network" in list_granted_capabilities(candidate, policy)
    job = Job(
        # Not -I, which would ignore the seed of hash.
        argv=("python", "-P", "-s", "-B", _START),
        environment={"PYTHONHASHSEED": str(int(hash_seed, 16))},
        files=_collect_files(candidate),
        stdin=_pack_harness() + _pack_part(task.to_json()),
        wall_seconds=policy.wall_seconds * _MOST_BUSY * len(requests),
        max_output=_MAX_ANSWER_BYTES,
        extra_readonly=packages,
        # For a server that the tests start, in a thread for each call; nobody else is in that network.
        loopback=has_network,
        processes=_TASKS_WITH_NETWORK if has_network else _TASKS,
    )
    return _read_answers(run_job(job))


@cache
def _pack_harness() -> bytes:
    """The modules for the zygotes, then those for the planner, as ``start.py`` reads them."""
    for_children, for_planner = {}, {}
    for source in sorted(_HARNESS.glob("*.py")):
        name = f"gates.harness.{source.stem}"
        if source.stem in _CHILD_MODULES:
            for_children[name] = source.read_text()
        elif source.name not in (_START, "__init__.py"):
            for_planner[name] = source.read_text()
    return b"".join(_pack_part(json.dumps(texts).encode()) for texts in (for_children, for_planner))


def _pack_part(data: bytes) -> bytes:
    return f"{len(data):0{_LENGTH_DIGITS}d}".encode() + data


def _collect_files(candidate: Candidate) -> dict[str, bytes]:
    files = {_START: (_HARNESS / _START).read_bytes()}
    # The modules travel with the task.
    files[f"block/{candidate.tests_path}"] = candidate.tests.encode()
    # In a folder of its own, so that a file of the repo cannot replace the block or the harness.
    for path, content in repo_files.select_repo_files(candidate).items():
        files[f"{repo_files.REPO}/{path}"] = content
    return files


def _read_answers(outcome: Outcome) -> dict[str, Any]:
    """The answers of the harness by kind; under an empty kind an error of all."""
    if outcome.timed_out:
        raise HarnessFailed(f"no result within {outcome.wall_seconds:.0f} s")
    try:
        answers = json.loads(outcome.result)
    except (ValueError, RecursionError) as error:
        tail = outcome.stderr[-500:].decode("utf-8", "replace")
        ended = f"exit {outcome.exit_code}, signal {outcome.signal}"
        raise HarnessFailed(f"the run ended without a result ({ended}): {tail}") from error
    match answers:
        case {"": {"error": str(trace)}}:
            raise HarnessFailed(trace)
        case dict():
            return answers
    raise HarnessFailed("the harness gave no answer")
