"""The planner's side of the zygotes: runs go out to every core, results come back by id."""

import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gates.harness import channel
from gates.harness.zygote import Work, serve_requests, shield_process

_ZYGOTE_DIED = "the block ended the process that watches it"
# The sandbox allows a job this many open files.
_MAX_DESCRIPTORS = 256


@dataclass(frozen=True)
class ChildResult:
    """One child's fate.

    ``report`` is what hostile code may have written: JSON at best. Times are in seconds.
    """

    id: int
    fate: str
    report: bytes
    seconds: float
    processor_seconds: float = 0.0

    @property
    def too_slow(self) -> bool:
        """Whether it was ended for the time that it took."""
        return self.fate in ("timeout", "stalled")


class ZygoteDied(Exception):
    """A child took its zygote with it: nothing more can be trusted from this run."""


class ZygotePool:
    """Zygotes, forked while this process knows nothing that a block may not know."""

    def __init__(self, prepare: Callable[[dict[str, Any]], Work], size: int) -> None:
        # Before the forks, so that no child of a zygote can look into the planner either.
        shield_process()
        self._zygotes: list[tuple[int, int]] = []
        for _ in range(size):
            requests, to_zygote = os.pipe()
            from_zygote, answers = os.pipe()
            if os.fork() == 0:
                _close_all_but(requests, answers)
                try:
                    serve_requests(requests, answers, prepare(channel.receive(requests)))
                finally:
                    # Never back into the planner's code.
                    os._exit(0)
            # With the zygote's ends closed here, its death shows as the end of the file.
            os.close(requests)
            os.close(answers)
            self._zygotes.append((to_zygote, from_zygote))

    def set_up(self, setup: dict[str, Any]) -> None:
        """Tell every zygote what it may know: which folder, which block."""
        for index in range(len(self._zygotes)):
            self._send(index, setup)

    def run(self, jobs: Iterable[dict[str, Any]], deadline: float = float("inf")) -> Iterator[ChildResult]:
        """Yield results as they come.

        Jobs are taken lazily; none is started after ``deadline`` (monotonic seconds).
        """
        queue = iter(jobs)
        busy: set[int] = set()
        idle = list(range(len(self._zygotes)))
        while True:
            while idle and time.monotonic() < deadline and (job := next(queue, None)) is not None:
                index = idle.pop()
                self._send(index, job)
                busy.add(index)
            if not busy:
                return
            # Whichever zygote answers first gets the next job.
            by_fd = {self._zygotes[index][1]: index for index in busy}
            for fd in select.select(list(by_fd), [], [])[0]:
                try:
                    result = ChildResult(*channel.receive(fd))
                except EOFError:
                    raise ZygoteDied(_ZYGOTE_DIED) from None
                busy.discard(by_fd[fd])
                idle.append(by_fd[fd])
                yield result

    def run_one(self, job: dict[str, Any]) -> ChildResult:
        """Run a single job."""
        return next(self.run([{**job, "id": 0}]))

    def run_again(self, jobs: Iterable[dict[str, Any]], slack: float) -> Iterator[ChildResult]:
        """Run what took too long again: one after the other, with ``slack`` times the time."""
        for job in jobs:
            patient = {**job, "wall": job["wall"] * slack, "cpu": job["cpu"] * slack}
            yield replace(self.run_one(patient), id=job["id"])

    def _send(self, index: int, job: dict[str, Any]) -> None:
        try:
            channel.send(self._zygotes[index][0], job)
        except BrokenPipeError:
            raise ZygoteDied(_ZYGOTE_DIED) from None


def _close_all_but(*kept: int) -> None:
    """Close every other descriptor: a child must not have the result's, under any number."""
    for fd in range(3, max(_MAX_DESCRIPTORS, *kept) + 1):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue
