"""How a worker stops after SIGTERM: no more work, finish what it can, give back the rest in time.

Celery's own soft shutdown sleeps its whole time even when no task runs, and its warm one then waits without
end for a thread in a model call. Here the worker is gone as soon as nothing runs in it, and after
``ENGINE_SHUTDOWN_SECONDS`` at the latest. What it gives back is ready again at once, elsewhere, and does not
count as a crash.
"""

import logging
import os
import signal
import sys
import threading
from types import FrameType

from celery.apps.worker import Worker
from celery.worker import state
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from orchestrator.flows import engine
from orchestrator.flows.worker.heartbeat import heartbeat
from orchestrator.flows.worker.lost_children import list_children, worker_prefixes
from orchestrator.flows.worker.presence import Presence

MARGIN_SECONDS = 2.0
log = logging.getLogger(__name__)


class Shutdown:
    """One worker's way out. A second SIGTERM ends the patience."""

    def __init__(self, worker: Worker, present: Presence) -> None:
        self._worker, self._present = worker, present
        self._asked, self._now = False, threading.Event()

    def ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        """The handler of SIGTERM: the main loop stops at its next look; the rest is a thread's."""
        if self._asked:
            self._now.set()
            return
        self._asked = True
        # Zero is the exit code; Celery's main loop raises as soon as it sees one.
        state.should_stop = 0  # type: ignore[assignment]  # the stubs know only its first value
        threading.Thread(target=self._leave, name="leaving", daemon=True).start()

    def _leave(self) -> None:
        self._present.leave()
        total = float(settings.ENGINE_SHUTDOWN_SECONDS)
        # Kept for giving stages back before the supervisor sends SIGKILL.
        margin = min(MARGIN_SECONDS, total / 2)
        self._now.wait(total - margin)
        # Still here: the process would have ended with its last task, and this thread with it.
        given_up = self._give_up()
        log.warning("leaving: %s stages were given back", given_up)
        threading.Event().wait(margin / 2)
        # Nothing that still runs here counts. A thread or a child may be busy for minutes; it ends with this
        # process.
        for child in list_children(self._worker):
            _kill_process(child)
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit, which would wait for threads that sit in model calls.
        os._exit(0)

    def _give_up(self) -> int:
        """Give back what runs in this process and its children, and tell the attempts of this one."""
        try:
            return engine.give_back_stages(worker_prefixes([os.getpid(), *list_children(self._worker)]))
        except (DatabaseError, InterfaceError) as error:
            log.warning("nothing was given back, the leases will run out: %s", type(error).__name__)
            return 0
        finally:
            connection.close()
            # Also where the database is away: this process ends, and its attempts stop first.
            for attempt in heartbeat.live():
                attempt.fence()


def _kill_process(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def install_handler(worker: Worker, present: Presence) -> None:
    """Answer SIGTERM this way from now on; from the main thread."""
    signal.signal(signal.SIGTERM, Shutdown(worker, present).ask)
