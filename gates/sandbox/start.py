"""How long it takes to start the sandbox: the figure that the doctor prints and the benchmark keeps."""

import statistics
import time
from collections.abc import Callable

from gates.sandbox.base import Job, Outcome

_NOTHING = Job(argv=("python", "-I", "-S", "-c", "pass"))


def start_milliseconds(run: Callable[[Job], Outcome], rounds: int = 21) -> float:
    """The median over ``rounds`` of a job that does nothing, in ms: folders, sandbox, interpreter, end and clean-up included."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        outcome = run(_NOTHING)
        taken.append((time.perf_counter() - began) * 1000)
        if outcome.exit_code != 0:
            raise RuntimeError(f"The empty job ended with {outcome.exit_code}, signal {outcome.signal}.")
    return statistics.median(taken)
