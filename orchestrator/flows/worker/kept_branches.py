"""Branches of a fork that wait a moment in the process that made it, in place of the broker.

They count as sent, and are a hint like a message: any thread of the process that has ended a stage takes the
next one, by a claim. A branch that none takes in time goes to the broker. If the process dies, the dispatcher
sends it again, like a message that was lost.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from orchestrator.flows.engine import broker
from orchestrator.flows.engine.routes import Route

KEPT_SECONDS: Final = 0.05
"""A stage that does little ends sooner; beside a model's answer, this is nothing."""


@dataclass(slots=True)
class KeptBranch:
    """A branch of the flow ``flow_id``, to be sent at ``send_at``; ``taken`` once a thread has claimed it."""

    flow_id: str
    route: Route
    send_at: float
    taken: bool = field(default=False)

    @property
    def stage_id(self) -> int:
        """The stage that the branch begins with."""
        return self.route.chain[0][0]


class KeptBranches:
    """The branches of one process, first in, first out."""

    def __init__(self, seconds: float = KEPT_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: deque[KeptBranch] = deque()
        self._some = threading.Event()
        self._sender: threading.Thread | None = None

    def keep(self, flow_id: str, route: Route) -> None:
        """Keep the one stage of ``route`` for a thread that becomes free, and send it if none does."""
        with self._lock:
            self._kept.append(KeptBranch(flow_id, route, time.monotonic() + self._seconds))
            if self._sender is None:
                self._sender = threading.Thread(target=self._send_late, name="branches", daemon=True)
                self._sender.start()
        self._some.set()

    def take(self) -> int | None:
        """The stage that waits longest; the caller claims it."""
        with self._lock:
            return self._kept.popleft().stage_id if self._kept else None

    @contextmanager
    def offer(self, flow_id: str) -> Iterator[KeptBranch | None]:
        """A branch of the flow ``flow_id`` to claim inside; it comes back unless ``taken`` is set."""
        with self._lock:
            branch = next((kept for kept in self._kept if kept.flow_id == flow_id), None)
            if branch is not None:
                self._kept.remove(branch)
        try:
            yield branch
        finally:
            if branch is not None and not branch.taken:
                with self._lock:
                    self._kept.appendleft(branch)
                self._some.set()

    def _send_late(self) -> None:
        # It looks twice in the time that a branch may wait: to wake it for each would cost more than they do.
        while True:
            self._some.wait()
            time.sleep(self._seconds / 2)
            for branch in self._pop_late():
                broker.send_route(branch.route)

    def _pop_late(self) -> list[KeptBranch]:
        with self._lock:
            now = time.monotonic()
            late = [branch for branch in self._kept if branch.send_at <= now]
            self._kept = deque(branch for branch in self._kept if branch.send_at > now)
            if not self._kept:
                self._some.clear()
        return late


kept_branches = KeptBranches()
