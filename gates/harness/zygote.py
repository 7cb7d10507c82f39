"""A process that forks one child per run and never runs a line of the block itself.

"Zygote" is Android's word for such a process. The planner knows which run is honest, which is sabotaged and
which is a null mutant; the zygote and its children know only the code that they were given. A child can lie
about its own run, but not about another's, and it cannot know which lie pays.
"""

import ctypes
import gc
import os
import resource
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from typing import Any

from gates.harness import channel

# See prctl(2).
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_MAX_REPORT_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 16
# How often the end of a child is looked for that keeps its pipe open.
_LOOK_SECONDS = 0.05
# Rounds of killing and reaping; a child may fork between two of them, but has no time to do so for ever.
_REAP_ROUNDS = 256

Work = Callable[[dict[str, Any], int], None]


def shield_process() -> None:
    """Keep children of the same user out of this process's memory and descriptors in ``/proc``.

    Their orphans become children of this process, so that it can kill them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def serve_requests(requests: int, answers: int, work: Work) -> None:
    """Answer each request by one child's fate and report, until the planner closes the channel."""
    shield_process()
    # No child lives long enough to need collecting, and a collection would copy every page that it touches.
    gc.disable()
    gc.freeze()
    while True:
        try:
            job = channel.receive(requests)
        except EOFError:
            return
        channel.send(answers, (job["id"], *_run_child(job, work, [requests, answers])))


def _run_child(job: dict[str, Any], work: Work, keep_out: list[int]) -> tuple[str, bytes, float, float]:
    """Fate, the report's bytes, seconds by the clock, and seconds of processor time.

    ``keep_out`` are descriptors that the child must not have. Fates are ``exited``, ``signalled``,
    ``timeout`` (its processor time was used up) and ``stalled`` (the clock ran out).
    """
    started = time.monotonic()
    # In /tmp, which is the sandbox's own tmpfs of limited size.
    folder = tempfile.mkdtemp(prefix="run-")
    inner, outer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become_child(job, work, folder, outer, [inner, *keep_out])
    os.close(outer)
    report, in_time = _collect_report(inner, pid, started + job["wall"])
    os.close(inner)
    fate, processor = _end_child(pid, in_time)
    shutil.rmtree(folder, ignore_errors=True)
    return fate, report, time.monotonic() - started, processor


def _become_child(job: dict[str, Any], work: Work, folder: str, report: int, keep_out: list[int]) -> None:
    try:
        # A session of its own can be killed as a whole.
        os.setsid()
        for fd in keep_out:
            os.close(fd)
        os.chdir(folder)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        # Processor time, not wall time: a busy machine must not turn a slow mutant into a dead one.
        signal.setitimer(signal.ITIMER_PROF, job["cpu"])
        work(job, report)
    finally:
        os._exit(0)


def _collect_report(fd: int, pid: int, deadline: float) -> tuple[bytes, bool]:
    """What the child wrote, and whether it ended in time.

    A grandchild that holds the pipe open delays nothing.
    """
    parts = bytearray()
    gone = False
    while len(parts) <= _MAX_REPORT_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            return bytes(parts), False
        if not select.select([fd], [], [], 0 if gone else min(left, _LOOK_SECONDS))[0]:
            if gone:
                return bytes(parts), True
            gone = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            continue
        part = os.read(fd, _CHUNK_BYTES)
        if not part:
            return bytes(parts), True
        parts += part
    # Longer than any honest report: no report.
    return b"", True


def _end_child(pid: int, in_time: bool) -> tuple[str, float]:
    """Kill the child's whole session, reap it and every orphan of it. Returns fate and processor time."""
    ended = _wait_briefly(pid) if in_time else None
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    if ended is None:
        try:
            ended = os.wait4(pid, 0)
        except ChildProcessError:
            ended = None
    _reap_orphans()
    status = ended[1] if ended else 0
    processor = ended[2].ru_utime + ended[2].ru_stime if ended else 0.0
    # SIGPROF comes from the timer on processor time that the child set for itself.
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return "timeout", processor
    if not in_time:
        return "stalled", processor
    return "signalled" if os.WIFSIGNALED(status) else "exited", processor


def _wait_briefly(pid: int) -> tuple[int, int, resource.struct_rusage] | None:
    """How the child ended.

    One that has closed its report but still lives gets a tenth of a second, then ``None``.
    """
    for _ in range(50):
        ended = os.wait4(pid, os.WNOHANG)
        if ended[0]:
            return ended
        time.sleep(0.002)
    return None


def _reap_orphans() -> None:
    for _ in range(_REAP_ROUNDS):
        for orphan in _list_children():
            try:
                os.kill(orphan, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return


def _list_children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as listing:
            return [int(pid) for pid in listing.read().split()]
    except OSError:
        return []
