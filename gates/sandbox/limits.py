"""The limits of one process, the same in every backend (see setrlimit(2))."""

import math
import resource

from gates.sandbox.base import Job

_FILES = 256
PROCESSES = resource.RLIMIT_NPROC
_STACK = 16 << 20


def limits_of_job(job: Job) -> dict[int, int]:
    """Limit to value.

    Memory is address space here: the sum over all processes is what control groups hold.
    """
    return {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: math.ceil(job.wall_seconds) * 4
        + 1,  # the wall clock comes first unless that fails
        resource.RLIMIT_AS: job.memory_bytes,
        resource.RLIMIT_FSIZE: job.tmp_bytes,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_NPROC: job.processes,
        resource.RLIMIT_STACK: _STACK,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
