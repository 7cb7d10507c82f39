"""A job that does nothing: whether a backend can hold it, and how long that takes."""

import statistics
import time
from collections.abc import Callable

from gates.sandbox.base import Availability, Job, Outcome, SandboxUnavailable
from gates.sandbox.cgroups import find_hierarchies

# Imports of the interpreter included: that is what every job pays.
_EMPTY_JOB = Job(argv=("python", "-I", "-c", "pass"), wall_seconds=10)


def probe_backend(name: str, run: Callable[[Job], Outcome], made_of: str) -> Availability:
    """Whether the backend ``name`` holds the empty job. ``made_of`` names its parts."""
    try:
        outcome = run(_EMPTY_JOB)
    except SandboxUnavailable as error:
        return Availability(name, False, str(error))
    # It started and could not run: the message of the interpreter says why.
    if outcome.exit_code != 0:
        said = outcome.stderr.decode(errors="replace").strip()[-300:]
        return Availability(name, False, said or "the trial failed")
    controllers = sorted({name for hierarchy in find_hierarchies() for name in hierarchy.controllers})
    groups = ", ".join(controllers) or "none writable"
    return Availability(name, True, f"{made_of}, control groups: {groups}")


def measure_start_ms(run: Callable[[Job], Outcome], rounds: int = 21) -> float:
    """The median over ``rounds`` of the empty job's wall time, in milliseconds.

    It covers folders, sandbox, interpreter, end and clean-up. Raises ``RuntimeError`` when the job fails.
    """
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        outcome = run(_EMPTY_JOB)
        taken.append((time.perf_counter() - began) * 1000)
        if outcome.exit_code != 0:
            raise RuntimeError(f"The empty job ended with {outcome.exit_code}, signal {outcome.signal}.")
    return statistics.median(taken)
