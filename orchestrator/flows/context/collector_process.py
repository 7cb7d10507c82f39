"""The process of ``collector``: reads its work from standard input, says on standard output what it begins
with, and then the bundle, a JSON object a line.
"""

import json
import pickle
import resource
import sys
import time
from dataclasses import asdict
from typing import Any, Final

from orchestrator.flows.context.bundle import BundleTooLarge, build_bundle

FILE_CPU_SECONDS: Final = 15
"""Processor time for one file: 512 KB of the worst lines take 2.4 s, and a caller may send 6 MB at once."""
MEMORY_BYTES: Final = 2 * 2**30


def main() -> None:
    """Build one bundle."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    files, request, max_bytes, pruning = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    try:
        bundle = build_bundle(files, request, max_bytes=max_bytes, pruning=pruning, begin_file=_begin_file)
    except BundleTooLarge as error:
        _say({"too_large": error.size})
    else:
        _say({"bundle": asdict(bundle)})


def _begin_file(path: str) -> None:
    _say({"at": path})
    # The kernel ends the process when it has used so much more, wherever it is: in C, too.
    soon = int(time.process_time()) + 1 + FILE_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soon, resource.RLIM_INFINITY))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
