"""The limits of one process, the same in every backend (see setrlimit(2))."""

import math
import resource

from gates.sandbox.base import Job

_MAX_FILES = 256
PROCESSES = resource.RLIMIT_NPROC
_STACK_BYTES = 16 << 20
_PROCESSOR_SHARE = 4


def limits_of_job(job: Job) -> dict[int, int]:
    """Limit to value. Memory is address space here; control groups limit the sum over all processes."""
    return {
        resource.RLIMIT_CORE: 0,
        # The supervisor's clock comes first; this one holds if that fails.
        resource.RLIMIT_CPU: math.ceil(job.wall_seconds) * _PROCESSOR_SHARE + 1,
        resource.RLIMIT_AS: job.memory_bytes,
        resource.RLIMIT_FSIZE: job.tmp_bytes,
        resource.RLIMIT_NOFILE: _MAX_FILES,
        resource.RLIMIT_NPROC: job.processes,
        resource.RLIMIT_STACK: _STACK_BYTES,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
