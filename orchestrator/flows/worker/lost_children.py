"""A pool's process that was killed: what it held is ready again at once, before its lease runs out.

Celery tells of a lost process only where it had read that the process accepted the message. A process that is
killed right after it began a stage is replaced silently, so the main process looks for itself.
"""

import logging
import socket
import threading
from typing import Any

from celery.apps.worker import Worker
from django.db import DatabaseError, InterfaceError, connection

from orchestrator.flows import engine

LOOK_SECONDS = 0.5
log = logging.getLogger(__name__)


def list_children(worker: Worker) -> list[int]:
    """The processes of a prefork pool; none for threads."""
    pids = [child.pid for child in _list_pool(worker)]
    # One that is about to start has no number yet.
    return [pid for pid in pids if pid is not None]


def outlive_first_children(worker: Worker) -> None:
    """Let a worker begin although a process of its new pool has been killed already.

    Celery ends the whole worker then. The pool replaces that process as it replaces every other; only where
    all of them have ended is something wrong with the start itself.
    """
    if list_children(worker):
        pool: Any = worker.pool
        pool.did_start_ok = lambda: any(child.is_alive() for child in _list_pool(worker))


def _list_pool(worker: Worker) -> list[Any]:
    pool: Any = getattr(worker.pool, "_pool", None)
    return list(getattr(pool, "_pool", None) or ())


def worker_prefixes(pids: list[int]) -> list[str]:
    """What the names of workers in these processes begin with, see ``runner``."""
    return [f"{socket.gethostname()}:{pid}:" for pid in pids]


class LostChildren:
    """Looks which processes of a worker's pool are gone, and gives back what they held."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._seen = set(list_children(worker))
        self._lost: set[int] = set()

    def start(self) -> None:
        """Look from a thread for as long as the worker lives; a pool of threads has nobody to look for."""
        if self._seen:
            threading.Thread(target=self.look_on, name="lost children", daemon=True).start()

    def look(self) -> None:
        """Make ready again what processes held that are gone since the last look.

        It counts as a crash of the stage. While the database is away, the next look tries again.
        """
        alive = set(list_children(self._worker))
        self._lost |= self._seen - alive
        self._seen = alive
        if self._lost and _take_stages_of(sorted(self._lost)):
            self._lost.clear()

    def look_on(self) -> None:
        """Look again and again; a look that fails is logged, and the next one tries again."""
        while True:
            threading.Event().wait(LOOK_SECONDS)
            try:
                self.look()
            except Exception:
                # The outermost edge of this thread: without it nobody would look any more.
                log.exception("could not look for lost processes of the pool")


def _take_stages_of(pids: list[int]) -> bool:
    """Whether the database could be asked."""
    try:
        taken = engine.take_stages_of_dead(worker_prefixes(pids))
    except (DatabaseError, InterfaceError) as error:
        log.warning("what processes of the pool held is not given back yet: %s", type(error).__name__)
        return False
    finally:
        connection.close()
    if taken:
        log.warning("processes %s of the pool were lost: %s stages are ready again", pids, taken)
    return True
