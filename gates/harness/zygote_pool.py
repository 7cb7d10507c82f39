"""The planner's side of the zygotes: runs go out to every core, results come back by id."""

import select
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gates.harness import channel

_ZYGOTE_DIED = "the block ended the process that watches it"


@dataclass(frozen=True)
class ChildResult:
    """One child's fate.

    ``report`` is what hostile code may have written: JSON at best. Times are in seconds: by the clock, of
    processor time, and idle.
    """

    id: int
    fate: str
    report: bytes
    seconds: float
    processor_seconds: float = 0.0
    idle_seconds: float = 0.0

    @property
    def waited(self) -> float:
        """Seconds in which it had work and the machine had no processor for it."""
        return max(0.0, self.seconds - self.processor_seconds - self.idle_seconds)

    @property
    def too_slow(self) -> bool:
        """Whether it was ended for the time that it took."""
        return self.fate in ("timeout", "stalled")


class ZygoteDied(Exception):
    """A child took its zygote with it: nothing more can be trusted from this run."""


class ZygotePool:
    """The zygotes, by their descriptors (to write requests, to read answers).

    Each is an interpreter with a seed of its own for ``hash``.
    """

    def __init__(self, ends: list[tuple[int, int]]) -> None:
        self._zygotes = ends
        self._waited = 0.0

    def clock(self) -> float:
        """Seconds that go by only as fast as this machine gets on with the runs: deadlines are by this clock.

        What runs have waited for a processor is not counted, so that a deadline says something about the
        block and not about its neighbours.
        """
        return time.monotonic() - self._waited / len(self._zygotes)

    def set_up(self, setup: dict[str, Any]) -> None:
        """Tell every zygote what it may know: which folder, which block."""
        for index, (_, answers) in enumerate(self._zygotes):
            _receive(answers)
            self._send(index, setup)

    def run(
        self,
        jobs: Iterable[dict[str, Any]],
        deadline: float = float("inf"),
        zygotes: Sequence[int] | None = None,
    ) -> Iterator[ChildResult]:
        """Yield results as they come.

        Jobs are taken lazily; none is started after ``deadline`` of ``clock``. ``zygotes`` are the numbers
        of those that may run them.
        """
        queue = iter(jobs)
        # The number of a job stays here: it tells what kind of change the job has.
        busy: dict[int, int] = {}
        idle = list(range(len(self._zygotes)) if zygotes is None else zygotes)
        while True:
            while idle and self.clock() < deadline and (job := next(queue, None)) is not None:
                index = idle.pop()
                busy[index] = job.pop("id")
                self._send(index, job)
            if not busy:
                return
            # Whichever zygote answers first gets the next job.
            by_fd = {self._zygotes[index][1]: index for index in busy}
            for fd in select.select(list(by_fd), [], [])[0]:
                result = ChildResult(busy.pop(by_fd[fd]), *_receive(fd))
                self._waited += result.waited
                idle.append(by_fd[fd])
                yield result

    def run_one(self, job: dict[str, Any]) -> ChildResult:
        """Run a single job."""
        return next(self.run([{**job, "id": 0}]))

    def run_again(self, jobs: Iterable[dict[str, Any]], times: float) -> Iterator[ChildResult]:
        """Run what took too long again: one after the other, with so many ``times`` the time."""
        for job in jobs:
            patient = {**job, "idle": job["idle"] * times, "cpu": job["cpu"] * times}
            yield replace(self.run_one(patient), id=job["id"])

    def _send(self, index: int, job: dict[str, Any]) -> None:
        try:
            channel.send(self._zygotes[index][0], job)
        except BrokenPipeError:
            raise ZygoteDied(_ZYGOTE_DIED) from None


def _receive(fd: int) -> Any:
    try:
        return channel.receive(fd)
    except EOFError:
        raise ZygoteDied(_ZYGOTE_DIED) from None
