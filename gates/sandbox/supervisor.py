"""Supervises one started job: feeds it, reads it within bounds, stops it on the clock."""

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from gates.sandbox.base import Job, Outcome

_CHUNK_BYTES = 1 << 16
_DRAIN_SECONDS = 2.0
# How often the memory of all processes is added up where no control group does it.
_LOOK_SECONDS = 0.05


class Pipe:
    """A pipe whose ends are closed once each, however often that is asked.

    A second close would hit what another thread has opened under that number since.
    """

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self._open = {self.read_end, self.write_end}

    def close(self, *ends: int) -> None:
        """Close the ends that are named; both where none is."""
        for end in ends or (self.read_end, self.write_end):
            if end in self._open:
                self._open.discard(end)
                os.close(end)


class JobPipes:
    """The four pipes of a job, closed at the end of the block in every case."""

    def __enter__(self) -> Self:
        self.stdin, self.stdout, self.stderr, self.result = Pipe(), Pipe(), Pipe(), Pipe()
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr, self.result):
            pipe.close()

    def close_job_ends(self) -> None:
        """Close the ends that the job has inherited: while they are open here, no end of file arrives."""
        self.stdin.close(self.stdin.read_end)
        for pipe in (self.stdout, self.stderr, self.result):
            pipe.close(pipe.write_end)


class _BoundedOutput:
    """The first ``limit`` bytes of one output. The rest is read and dropped, or the pipe would fill up."""

    def __init__(self, limit: int) -> None:
        self.limit, self.data, self.truncated = limit, bytearray(), False

    def add_data(self, data: bytes) -> None:
        room = self.limit - len(self.data)
        self.data += data[:room]
        self.truncated = self.truncated or len(data) > room


class Supervisor:
    """One job from its start to its end.

    ``kill`` must end every process of the job, and may be called twice. ``measure_memory``: add up the memory
    of all processes every so often, because no control group does it.
    """

    def __init__(
        self,
        job: Job,
        process: subprocess.Popen[bytes],
        pipes: JobPipes,
        kill: Callable[[], None],
        *,
        measure_memory: bool = False,
    ) -> None:
        self.job, self.process, self.pipes = job, process, pipes
        self.kill, self.measure_memory = kill, measure_memory
        outputs = (pipes.stdout, pipes.stderr, pipes.result)
        self.outputs = {pipe.read_end: _BoundedOutput(job.max_output) for pipe in outputs}
        self.pending_input = memoryview(job.stdin)
        self.started = time.monotonic()
        self.timed_out = self.took_too_much_memory = False

    def wait_until_gone(self) -> None:
        """Return when the job is over and no process of it is left. What it wrote before is kept."""
        deadline = self.started + self.job.wall_seconds
        # A descriptor that becomes readable when the process ends: no polling, and no race over its number.
        exited = os.pidfd_open(self.process.pid)
        with selectors.DefaultSelector() as selector:
            try:
                self._register_pipes(selector)
                selector.register(exited, selectors.EVENT_READ)
                while not self._handle_events(selector, exited, deadline):
                    pass
                selector.unregister(exited)
                # First kill, then drain: a surviving grandchild could write for ever.
                self.kill()
                self._drain_pipes(selector)
            finally:
                os.close(exited)
                self.kill()
                self.process.wait()

    def _register_pipes(self, selector: selectors.BaseSelector) -> None:
        for end in self.outputs:
            os.set_blocking(end, False)
            selector.register(end, selectors.EVENT_READ)
        stdin = self.pipes.stdin
        if self.pending_input:
            os.set_blocking(stdin.write_end, False)
            selector.register(stdin.write_end, selectors.EVENT_WRITE)
        else:
            stdin.close(stdin.write_end)

    def _handle_events(self, selector: selectors.BaseSelector, exited: int, deadline: float) -> bool:
        """Wait for something to happen and handle it. Returns whether the job is over."""
        left = deadline - time.monotonic()
        if left <= 0:
            self.timed_out = True
            return True
        ready = selector.select(min(left, _LOOK_SECONDS) if self.measure_memory else left)
        if self.measure_memory and measure_anonymous_bytes(self.process.pid) > self.job.memory_bytes:
            self.took_too_much_memory = True
            return True
        for key, _ in ready:
            if key.fd != exited:
                self._transfer_data(selector, key.fd)
        return any(key.fd == exited for key, _ in ready)

    def _drain_pipes(self, selector: selectors.BaseSelector) -> None:
        """Read what is still in the pipes, for a bounded time: some writer may have escaped the kill."""
        end = time.monotonic() + _DRAIN_SECONDS
        stdin = self.pipes.stdin
        if stdin.write_end in selector.get_map():
            selector.unregister(stdin.write_end)
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(max(0.0, end - time.monotonic())):
                self._transfer_data(selector, key.fd)

    def _transfer_data(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        if descriptor == self.pipes.stdin.write_end:
            self._feed_input(selector, descriptor)
            return
        data = os.read(descriptor, _CHUNK_BYTES)
        if data:
            self.outputs[descriptor].add_data(data)
        else:
            selector.unregister(descriptor)

    def _feed_input(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        try:
            written = os.write(descriptor, self.pending_input[:_CHUNK_BYTES])
            self.pending_input = self.pending_input[written:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The job does not read its input; that is its own affair.
            self.pending_input = self.pending_input[:0]
        if not self.pending_input:
            selector.unregister(descriptor)
            self.pipes.stdin.close(descriptor)

    def build_outcome(self, exit_code: int | None, ended_by: int | None, backend: str) -> Outcome:
        """The outcome of the job. One that was stopped from here is reported as killed."""
        if self.timed_out or self.took_too_much_memory:
            exit_code, ended_by = None, int(signal.SIGKILL)
        pipes = (self.pipes.stdout, self.pipes.stderr, self.pipes.result)
        stdout, stderr, result = (self.outputs[pipe.read_end] for pipe in pipes)
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


def measure_anonymous_bytes(ancestor: int) -> int:
    """Memory that ``ancestor`` and its descendants hold apart from files.

    Pages that are shared after a fork count for each process, so this is a ceiling.
    """
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        # A process may end between the listing and the reading.
        with contextlib.suppress(OSError, IndexError, ValueError):
            pid = int(folder.name)
            # The command in brackets may hold blanks and brackets of its own.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[pid] = int(fields[1])
            resident, shared = map(int, (folder / "statm").read_text().split()[1:3])
            sizes[pid] = (resident - shared) * resource.getpagesize()
    total = 0
    generation, seen = {ancestor}, set[int]()
    while generation:
        seen |= generation
        total += sum(sizes.get(pid, 0) for pid in generation)
        generation = {pid for pid, parent in parents.items() if parent in generation} - seen
    return total
