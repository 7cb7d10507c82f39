"""One thread per process: it renews the leases of the attempts that run there, and fences lost ones."""

import logging
import os
import threading
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from orchestrator.flows import engine

log = logging.getLogger(__name__)


class RunningAttempt:
    """An attempt that runs in this process.

    ``changed`` is set when it has been fenced, or when a call that it waits for ends.
    """

    def __init__(self, claim: engine.Claim) -> None:
        self.claim = claim
        self.fenced = False
        self.changed = threading.Event()

    def fence(self) -> None:
        """Tell the attempt that nothing it does counts any more."""
        self.fenced = True
        self.changed.set()

    def check(self) -> None:
        """Raise ``Fenced`` if the attempt is no longer the live one, as far as this process knows."""
        if self.fenced:
            raise engine.Fenced(
                f"{self.claim.flow_id}: {self.claim.kind} continues elsewhere, or not at all."
            )


class Heartbeat:
    """Renew the lease of every attempt that entered and has not left.

    Its thread starts with the first attempt and ends with the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[UUID, RunningAttempt] = {}
        self._thread: threading.Thread | None = None

    def enter(self, attempt: RunningAttempt) -> None:
        """Beat for ``attempt`` from now on."""
        with self._lock:
            self._live[attempt.claim.token] = attempt
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()

    def leave(self, attempt: RunningAttempt) -> None:
        """Beat no more for ``attempt``."""
        with self._lock:
            self._live.pop(attempt.claim.token, None)

    def live(self) -> list[RunningAttempt]:
        """The attempts under way in this process."""
        with self._lock:
            return list(self._live.values())

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            # One renewal may fail without the loss of a lease.
            pause.wait(settings.ENGINE_LEASE_SECONDS / 3)
            beating = self.live()
            if beating:
                self._renew(beating)

    def _renew(self, beating: list[RunningAttempt]) -> None:
        try:
            alive = engine.renew_leases(
                [(attempt.claim.stage_id, attempt.claim.token) for attempt in beating]
            )
        except (DatabaseError, InterfaceError) as error:
            # Nobody is fenced on a guess: if the lease does run out meanwhile, the token will tell at the
            # finish.
            log.warning("no heartbeat: %s", type(error).__name__)
            return
        finally:
            # Between two beats another thread can use the pooled connection.
            connection.close()
        for attempt in beating:
            if attempt.claim.token not in alive:
                attempt.fence()


heartbeat = Heartbeat()


def _reset_after_fork() -> None:
    """A forked child has the parent's attempts but not its thread."""
    # In place, because other modules hold this object.
    heartbeat.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_reset_after_fork)
