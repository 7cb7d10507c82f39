"""Watching one started job: feed it, read it within bounds, stop it on the clock."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Self

from gates.sandbox.base import Job, Outcome
from gates.sandbox.family import anonymous_bytes

_CHUNK = 1 << 16
_DRAIN_SECONDS = 2.0
_LOOK_SECONDS = 0.05


class Pipe:
    """A pipe whose ends are closed once each, however often that is asked: a number may be another thread's by then."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self._open = {self.read_end, self.write_end}

    def close(self, *ends: int) -> None:
        for end in ends or (self.read_end, self.write_end):
            if end in self._open:
                self._open.discard(end)
                os.close(end)


class Pipes:
    """The four pipes of a job, closed at the end of the block whatever happened."""

    def __enter__(self) -> Self:
        self.stdin, self.stdout, self.stderr, self.result = Pipe(), Pipe(), Pipe(), Pipe()
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr, self.result):
            pipe.close()

    def close_job_ends(self) -> None:
        """Once the job has them: else their ends would never be seen."""
        self.stdin.close(self.stdin.read_end)
        for pipe in (self.stdout, self.stderr, self.result):
            pipe.close(pipe.write_end)


class _Kept:
    """What is kept of one output.

    The rest is read and thrown away, so that the job does not hang on a full pipe.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.data, self.truncated = limit, bytearray(), False

    def take(self, data: bytes) -> None:
        room = self.limit - len(self.data)
        self.data += data[:room]
        self.truncated = self.truncated or len(data) > room


class Watch:
    """One job from its start to its end. ``kill`` must end every process of the job, and may be called twice.

    ``weigh``: add up the memory of all its processes every so often, as no control group does it.
    """

    def __init__(
        self,
        job: Job,
        process: subprocess.Popen[bytes],
        pipes: Pipes,
        kill: Callable[[], None],
        *,
        weigh: bool = False,
    ) -> None:
        self.job, self.process, self.pipes, self.kill, self.weigh = job, process, pipes, kill, weigh
        self.kept = {
            pipe.read_end: _Kept(job.max_output) for pipe in (pipes.stdout, pipes.stderr, pipes.result)
        }
        self.pending = memoryview(job.stdin)
        self.started = time.monotonic()
        self.timed_out = self.too_heavy = False

    def until_gone(self) -> None:
        """Return when the job is over and nothing of it is left; what it wrote before is kept."""
        deadline = self.started + self.job.wall_seconds
        exited = os.pidfd_open(self.process.pid)
        with selectors.DefaultSelector() as selector:
            try:
                self._register(selector)
                selector.register(exited, selectors.EVENT_READ)
                while not self._turn(selector, exited, deadline):
                    pass
                selector.unregister(exited)
                self.kill()
                self._drain(selector)
            finally:
                os.close(exited)
                self.kill()
                self.process.wait()

    def _register(self, selector: selectors.BaseSelector) -> None:
        for end in self.kept:
            os.set_blocking(end, False)
            selector.register(end, selectors.EVENT_READ)
        stdin = self.pipes.stdin
        if self.pending:
            os.set_blocking(stdin.write_end, False)
            selector.register(stdin.write_end, selectors.EVENT_WRITE)
        else:
            stdin.close(stdin.write_end)

    def _turn(self, selector: selectors.BaseSelector, exited: int, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            self.timed_out = True
            return True
        ready = selector.select(min(left, _LOOK_SECONDS) if self.weigh else left)
        if self.weigh and anonymous_bytes(self.process.pid) > self.job.memory_bytes:
            self.too_heavy = True
            return True
        for key, _ in ready:
            if key.fd != exited:
                self._move(selector, key.fd)
        return any(key.fd == exited for key, _ in ready)

    def _drain(self, selector: selectors.BaseSelector) -> None:
        """Read what is still in the pipes. Bounded: a writer that could not be killed must not hold us."""
        end = time.monotonic() + _DRAIN_SECONDS
        stdin = self.pipes.stdin
        if stdin.write_end in selector.get_map():
            selector.unregister(stdin.write_end)
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(max(0.0, end - time.monotonic())):
                self._move(selector, key.fd)

    def _move(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        if descriptor == self.pipes.stdin.write_end:
            try:
                self.pending = self.pending[os.write(descriptor, self.pending[:_CHUNK]) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                self.pending = self.pending[:0]
            if not self.pending:
                selector.unregister(descriptor)
                self.pipes.stdin.close(descriptor)
            return
        data = os.read(descriptor, _CHUNK)
        if data:
            self.kept[descriptor].take(data)
        else:
            selector.unregister(descriptor)

    def outcome(self, exit_code: int | None, ended_by: int | None, backend: str) -> Outcome:
        """The result of the watch. A job that we stopped is reported as killed."""
        if self.timed_out or self.too_heavy:
            exit_code, ended_by = None, int(signal.SIGKILL)
        stdout, stderr, result = (
            self.kept[pipe.read_end] for pipe in (self.pipes.stdout, self.pipes.stderr, self.pipes.result)
        )
        return Outcome(
            exit_code=exit_code,
            signal=ended_by,
            stdout=bytes(stdout.data),
            stderr=bytes(stderr.data),
            result=bytes(result.data),
            timed_out=self.timed_out,
            truncated=stdout.truncated or stderr.truncated or result.truncated,
            wall_seconds=time.monotonic() - self.started,
            backend=backend,
        )


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group that ``process`` leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
