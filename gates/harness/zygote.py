"""A process that forks one child per run and never runs a line of the block itself.

"Zygote" is Android's word for such a process. The planner knows which run is honest, which is sabotaged and
which is a null mutant; the zygote and its children know only the code that they were given. A child can lie
about its own run, but not about another's, and it cannot know which lie pays.
"""

import contextlib
import ctypes
import gc
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any, Protocol

from gates.harness import channel
from gates.harness.child_work import ChildWork
from gates.harness.confinement import confine, prepare_confinement

# See prctl(2).
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36
_MAX_REPORT_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 16
# The sandbox allows a job this many open files.
_MAX_DESCRIPTORS = 256
# How often a child is looked at: whether it has ended with its pipe open, and whether it does anything.
_LOOK_SECONDS = 0.05
# States of threads, see proc_pid_stat(5): runnable, and waiting for a disk. Processor time in the program and
# in the kernel, then that of children which have ended.
_AT_WORK, _TICKS = frozenset("RD"), slice(11, 15)
# Rounds of killing and reaping; a child may fork between two of them, but has no time to do so for ever.
_REAP_ROUNDS = 256


class Work(Protocol):
    """What the children of a zygote do."""

    def prepare(self, job: dict[str, Any], report: int) -> None:
        """Get ready for one job, in the child; ``report`` is where its answer goes."""
        ...

    def run(self) -> None:
        """Run code of the block, once. Nobody who called ``prepare`` is above it any more."""
        ...


def shield_process() -> None:
    """Keep children of the same user out of this process's memory and descriptors in ``/proc``.

    Their orphans become children of this process, so that it can kill them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fork_zygote(modules: Iterable[str]) -> tuple[tuple[int, int], Work | None]:
    """Fork a zygote.

    Returns descriptors (to write requests, to read answers) in the planner; in a child of the zygote its
    work. ``modules`` are the names that no child may find imported.
    """
    # Before the fork, so that no child of a zygote can look into the planner either.
    shield_process()
    requests, to_zygote = os.pipe()
    from_zygote, answers = os.pipe()
    if os.fork() == 0:
        try:
            work = serve_requests(requests, answers, list(modules))
        except BaseException:  # noqa: BLE001 - never back into the planner's code
            os._exit(1)
        return (-1, -1), work
    # With the zygote's ends closed here, its death shows as the end of the file.
    os.close(requests)
    os.close(answers)
    return (to_zygote, from_zygote), None


def _close_all_but(*kept: int) -> None:
    """Close every other descriptor: a child must not have the result's, under any number."""
    for fd in range(3, max(_MAX_DESCRIPTORS, *kept) + 1):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue
    # Standard input holds the rest of the harness and the task.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)


def serve_requests(requests: int, answers: int, modules: list[str]) -> Work:
    """Answer each request by one child's fate and report, until the planner closes the channel.

    Returns in a child, with its work; the zygote itself never comes back.
    """
    _close_all_but(requests, answers)
    shield_process()
    # The same in both zygotes: a block may read it.
    sys.argv[:] = ["block"]
    # No child of the other zygote runs before this one is shielded.
    channel.send(answers, True)
    setup = channel.receive(requests)
    # In /tmp, which is the sandbox's own tmpfs of limited size. Each zygote has one folder for all its runs.
    folder = tempfile.mkdtemp()
    rules = prepare_confinement(folder)
    with_tests = setup["with_tests"]
    work: Work = ChildWork(setup["folder"], setup["modules"], setup["preload"], with_tests=with_tests)
    # A function that is held still has its globals; only the way in by name is closed.
    for name in [name for name in sys.modules if name in modules or name.partition(".")[0] == "gates"]:
        del sys.modules[name]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, "texts")]
    # No child lives long enough to need collecting, and a collection would copy every page that it touches.
    gc.disable()
    gc.collect()
    gc.freeze()
    while True:
        try:
            job = channel.receive(requests)
        except EOFError:
            os._exit(0)
        started = time.monotonic()
        inner, outer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                _become_child(job, folder, [inner, requests, answers])
                confine(rules)
                work.prepare(job, outer)
            except BaseException:  # noqa: BLE001 - never back into the loop of the zygote
                os._exit(1)
            return work
        os.close(outer)
        ended = _watch_child(pid, inner, started, job["cpu"], job["idle"])
        _empty_folder(folder)
        channel.send(answers, ended)


def _become_child(job: dict[str, Any], folder: str, keep_out: list[int]) -> None:
    """``keep_out`` are descriptors that the child must not have."""
    # A session of its own can be killed as a whole.
    os.setsid()
    for fd in keep_out:
        os.close(fd)
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    # Processor time, not wall time: a busy machine must not turn a slow mutant into a dead one.
    signal.setitimer(signal.ITIMER_PROF, job["cpu"])


def _watch_child(
    pid: int, inner: int, started: float, most_processor: float, most_idle: float
) -> tuple[str, bytes, float, float, float]:
    """Fate, the report's bytes, and seconds by the clock, of processor time, and idle.

    Fates are ``exited``, ``signalled``, ``timeout`` (its processor time was used up) and ``stalled`` (it, or
    what it has started, was idle or at work for too long).
    """
    report, idle, in_time = _collect_report(inner, pid, most_processor, most_idle)
    os.close(inner)
    fate, processor = _end_child(pid, in_time)
    return fate, report, time.monotonic() - started, processor, idle


def _empty_folder(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)


def _collect_report(fd: int, pid: int, most_processor: float, most_idle: float) -> tuple[bytes, float, bool]:
    """What the child wrote, how many seconds it was idle, and whether it ended in time.

    Seconds in which it had work and no processor are not counted, nor those in which this process had none:
    a busy machine must not say that a child waits for something that never comes. A grandchild that holds the
    pipe open delays nothing.
    """
    parts = bytearray()
    idle, gone = 0.0, False
    looked = time.monotonic()
    while len(parts) <= _MAX_REPORT_BYTES:
        ready = select.select([fd], [], [], 0 if gone else _LOOK_SECONDS)[0]
        if ready:
            part = os.read(fd, _CHUNK_BYTES)
            if not part:
                return bytes(parts), idle, True
            parts += part
        elif gone:
            return bytes(parts), idle, True
        # Also where it writes all the time, a little each.
        if not gone and time.monotonic() - looked >= _LOOK_SECONDS:
            gone = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            at_work, processor = _look_at_family(pid)
            if not gone and not at_work:
                idle += _LOOK_SECONDS
            if idle >= most_idle or processor > most_processor:
                return bytes(parts), idle, False
            looked = time.monotonic()
    # Longer than any honest report: no report.
    return b"", idle, True


def _look_at_family(pid: int) -> tuple[bool, float]:
    """Whether any thread of a process or of its descendants computes, or would if it had a processor; and
    the seconds of processor time of all of them.
    """
    at_work, ticks = False, 0
    family = [pid]
    while family:
        process = family.pop()
        # It may end between two lines.
        with contextlib.suppress(OSError, IndexError, ValueError):
            ticks += sum(map(int, _read_fields(f"/proc/{process}/stat")[_TICKS]))
            for thread in os.listdir(f"/proc/{process}/task"):
                at_work = at_work or _read_fields(f"/proc/{process}/task/{thread}/stat")[0] in _AT_WORK
                family += _list_children(process, thread)
    return at_work, ticks / os.sysconf("SC_CLK_TCK")


def _read_fields(path: str) -> list[str]:
    """The fields of a file of proc_pid_stat(5) from the state on."""
    with open(path) as file:
        # The name before them, in brackets, may hold blanks and brackets of its own.
        return file.read().rpartition(")")[2].split()


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
        for orphan in _list_children(os.getpid(), str(os.getpid())):
            try:
                os.kill(orphan, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return


def _list_children(pid: int, thread: str) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{thread}/children") as listing:
            return [int(pid) for pid in listing.read().split()]
    except OSError:
        return []
