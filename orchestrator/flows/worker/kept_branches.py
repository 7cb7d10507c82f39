"""Branches of a fork that wait a moment in the process that made it, in place of the broker.

They count as sent, and are a hint like a message: any thread of the process that has ended a stage takes the
next one, by a claim. A branch that none takes in time goes to the broker. If the process dies, the dispatcher
sends it again, like a message that was lost.
"""

import threading
import time
from collections import deque
from typing import Final

from orchestrator.flows.engine import broker
from orchestrator.flows.engine.routes import Route

KEPT_SECONDS: Final = 0.1
"""A stage that does little ends sooner; beside a model's answer, this is nothing."""


class KeptBranches:
    """The branches of one process, first in, first out."""

    def __init__(self, seconds: float = KEPT_SECONDS) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        self._kept: deque[tuple[float, Route]] = deque()
        self._sender: threading.Thread | None = None

    def keep(self, route: Route) -> None:
        """Keep the one stage of ``route`` for a thread that becomes free, and send it if none does."""
        with self._changed:
            self._kept.append((time.monotonic() + self._seconds, route))
            if self._sender is None:
                self._sender = threading.Thread(target=self._send_late, name="branches", daemon=True)
                self._sender.start()
            # Otherwise the thread waits for the first of them already.
            if len(self._kept) == 1:
                self._changed.notify()

    def take(self) -> int | None:
        """The stage that waits longest; the caller claims it."""
        with self._changed:
            return self._kept.popleft()[1].chain[0][0] if self._kept else None

    def _send_late(self) -> None:
        while True:
            broker.send_route(self._wait_for_late())

    def _wait_for_late(self) -> Route:
        with self._changed:
            while True:
                pause = self._kept[0][0] - time.monotonic() if self._kept else None
                if pause is not None and pause <= 0:
                    return self._kept.popleft()[1]
                self._changed.wait(pause)


kept_branches = KeptBranches()
