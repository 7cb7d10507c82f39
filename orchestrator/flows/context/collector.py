"""Builds the bundle in a process of its own, which can be killed: the files come from strangers.

A pattern that is slower than it should be, a parser that loops or crashes, a file that takes all memory: each
ends that process and nothing else. The process says which file it begins with, so the one that it ended in is
left out of the bundle and named, and the others are built again. It has no environment, so there is nothing
in it to be taken.
"""

import contextlib
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.flows.context.bundle import Bundle, BundleTooLarge

PROCESS: Final = "orchestrator.flows.context.collector_process"
MOST_UNJUDGED: Final = 5
"""Files that are left out of a bundle before the collecting itself is given up."""
WHOLE_SECONDS: Final = 120.0
"""By the clock, for a process that stands still without using its processor time."""
_ROOT: Final = Path(__file__).resolve().parents[3]
log = logging.getLogger(__name__)


class FilesNotJudged(OrchestratorError):
    """Too many files could not be searched for secrets in their time."""

    code = "context:files-not-judged"
    cure = (
        "Split or remove these files, or take them out of what is sent: name them in .gitignore, or run "
        "`blocks flow run --no-context`."
    )
    fixed_by = FixedBy.REPO_OWNER


@dataclass(frozen=True, slots=True)
class _CollectorEnd:
    """How a process ended: with an answer, or at a file; ``at`` is empty where it had begun none."""

    answer: Mapping[str, Any] | None
    at: str
    why: str


def collect_bundle(files: Mapping[str, bytes], request: str, *, max_bytes: int, pruning: bool) -> Bundle:
    """As ``build_bundle``, and safe for files of strangers. ``unjudged`` names what had to be left out.

    Raises ``BundleTooLarge``, and ``FilesNotJudged`` where more than ``MOST_UNJUDGED`` files were left out.
    """
    left = dict(files)
    unjudged: list[str] = []
    while True:
        ended = _run_process((left, request, max_bytes, pruning))
        if ended.answer is not None:
            return _read_answer(ended.answer, unjudged)
        log.warning("%s is left out of a bundle: %s", ended.at or "nothing", ended.why)
        if ended.at not in left:
            raise FilesNotJudged(f"The repo's files could not be searched for secrets: {ended.why}.")
        del left[ended.at]
        unjudged.append(ended.at)
        if len(unjudged) > MOST_UNJUDGED:
            raise FilesNotJudged(
                f"These files could not be searched for secrets in their time: {', '.join(unjudged)}."
            )


def _read_answer(answer: Mapping[str, Any], unjudged: list[str]) -> Bundle:
    if "too_large" in answer:
        raise BundleTooLarge(int(answer["too_large"]))
    found = answer["bundle"]
    bundle = Bundle(**found | {key: tuple(found[key]) for key in ("included", "outlined", "unjudged")})
    return replace(bundle, omitted=bundle.omitted + len(unjudged), unjudged=tuple(unjudged))


def _run_process(work: tuple[Any, ...]) -> _CollectorEnd:
    with subprocess.Popen(
        [sys.executable, "-m", PROCESS],
        cwd=_ROOT,
        env={"LANG": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # What it says may quote a file.
        stderr=subprocess.DEVNULL,
    ) as process:
        clock = threading.Timer(WHOLE_SECONDS, process.kill)
        clock.start()
        try:
            _send_work(process, work)
            return _read_lines(process)
        finally:
            clock.cancel()
            process.kill()


def _send_work(process: subprocess.Popen[bytes], work: tuple[Any, ...]) -> None:
    # It may be killed before it has read everything.
    with contextlib.suppress(BrokenPipeError), _stream(process.stdin) as stdin:
        pickle.dump(work, stdin)


def _read_lines(process: subprocess.Popen[bytes]) -> _CollectorEnd:
    at = ""
    for line in _stream(process.stdout):
        # Cut off where the process was killed while it wrote.
        if not line.endswith(b"\n"):
            break
        said = json.loads(line)
        if "at" not in said:
            return _CollectorEnd(said, at, "")
        at = said["at"]
    return _CollectorEnd(None, at, f"the process that reads it ended with {process.wait()}")


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("a process was started without its pipes")
    return pipe
