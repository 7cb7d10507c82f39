"""A job that does nothing: whether a backend can hold it, and how long that takes."""

import statistics
import time
from collections.abc import Callable

from gates.sandbox.base import Availability, Job, Outcome, SandboxUnavailable
from gates.sandbox.cgroups import find_hierarchies

_NOTHING = Job(argv=("python", "-I", "-c", "pass"), wall_seconds=10)


def probe_backend(name: str, run: Callable[[Job], Outcome], made_of: str) -> Availability:
    """What became of the empty job in the backend ``name``, which is ``made_of`` what it says and control groups."""
    try:
        outcome = run(_NOTHING)
    except SandboxUnavailable as error:
        return Availability(name, False, str(error))
    if outcome.exit_code != 0:
        return Availability(
            name, False, outcome.stderr.decode(errors="replace").strip()[-300:] or "the trial failed"
        )
    held = ", ".join(sorted({name for each in find_hierarchies() for name in each.controllers}))
    return Availability(name, True, f"{made_of}, control groups: {held or 'none writable'}")


def measure_start_ms(run: Callable[[Job], Outcome], rounds: int = 21) -> float:
    """The median over ``rounds`` of a job that does nothing, in ms: folders, sandbox, interpreter, end and clean-up included."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        outcome = run(_NOTHING)
        taken.append((time.perf_counter() - began) * 1000)
        if outcome.exit_code != 0:
            raise RuntimeError(f"The empty job ended with {outcome.exit_code}, signal {outcome.signal}.")
    return statistics.median(taken)
