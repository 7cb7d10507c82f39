"""How many repos a worker clones at once: a git server decides how long that takes, up to the time limit.

The threads that clone are those that ask a provider for everybody. So only some of them may clone, and fewer
for one address.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from orchestrator.core.shares import Shares

MOST_CLONES: Final = 8
MOST_OF_ADDRESS: Final = 2
_lock = threading.Lock()
_taken = Shares()


class ClonesBusy(Exception):
    """Too many repos are being cloned, or this one too often: it has to wait."""


@contextmanager
def take_seat(url: str) -> Iterator[None]:
    """Clone inside; raises ``ClonesBusy`` where all seats, or those of ``url``, are taken."""
    with _lock:
        if _taken.total() >= MOST_CLONES or _taken[url] >= MOST_OF_ADDRESS:
            raise ClonesBusy
        _taken.add(url)
    try:
        yield
    finally:
        with _lock:
            _taken.add(url, -1)
