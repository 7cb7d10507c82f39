"""A pool's process that was killed: what it held is ready again at once, before its lease runs out."""

import logging
import threading
from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request
from django.db import DatabaseError, InterfaceError, connection

from orchestrator.flows import engine
from orchestrator.flows.worker.shutdown import worker_prefixes

log = logging.getLogger(__name__)


class StageRequest(Request):
    """Celery's view of a message that is worked on, in the main process of a worker."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the stages of a process that was lost, then do what Celery does."""
        # Celery wraps an exception that has a traceback.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError) and self.worker_pid:
            # In a thread: the pool must not wait for the database.
            threading.Thread(target=take_stages_of, args=(self.worker_pid,), name="lost child").start()
        return super().on_failure(exc_info, *args, **kwargs)


def take_stages_of(pid: int) -> None:
    """Make what the process ``pid`` of this machine held ready again; it counts as a crash of the stage."""
    try:
        taken = engine.take_stages_of_dead(worker_prefixes([pid]))
        log.warning("process %s of the pool was lost: %s stages are ready again", pid, taken)
    except (DatabaseError, InterfaceError) as error:
        log.warning("nothing was taken back, the leases will run out: %s", type(error).__name__)
    finally:
        connection.close()
