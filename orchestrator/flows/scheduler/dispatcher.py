"""The leader that sweeps, sends again, and releases. One leads by an advisory lock; any other stands by.

Everything it does is also safe twice and safe to leave undone for a while: while no process leads, flows
continue by their chains, and only lost messages and waiting stages remain where they are.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial

import redis
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from orchestrator.core import database, outbox
from orchestrator.core.broker_client import open_broker
from orchestrator.core.periodic import PERIODIC_WORK
from orchestrator.flows import engine
from orchestrator.flows.engine import broker, dispatch_queue, waits
from orchestrator.flows.scheduler.isolation import IsolatedSteps
from orchestrator.flows.scheduler.provider_release import ProviderRelease
from orchestrator.queues import list_queues

LOCK = 0x6F726368  # any number that nothing else in this database locks
EPOCH = "orchestrator:epoch"
TICK_SECONDS = 0.1
WAITED_FOR_SECONDS = 0.05  # while stages wait for a provider: they start within 250 ms after there is room
BREATH_SECONDS = 0.01  # between two looks, however long one takes
STANDBY_SECONDS = 1.0
SWEEP_SECONDS = 0.5
HOLD_SECONDS = 1.0
OUTBOX_SECONDS = 1.0
RENEWAL_SECONDS = 2.0
QUICK_RESEND_SECONDS = 2.0
FULL_SECONDS = 5.0
BATCH = 500
log = logging.getLogger(__name__)


class Dispatcher:
    """One process's share: it leads, or it waits to."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = stop or threading.Event()
        self.leads = False
        self._redis = open_broker(2)
        self._clocks: dict[str, dispatch_queue.VirtualClock] = {}
        self._due: dict[str, float] = {}
        self._full: tuple[str, ...] = ()
        self._steps = IsolatedSteps()
        self._releaser = ProviderRelease(self._steps)
        self._leases_from = 0.0
        # Imported now: a defect in one of them must show at the start and not stop a leader.
        self._periodic = dict(PERIODIC_WORK.items())

    def run(self) -> None:
        """Lead or stand by until ``stop`` is set."""
        while not self.stop.is_set():
            pause, began = TICK_SECONDS, time.monotonic()
            try:
                if self._lead():
                    self.tick()
                    every = WAITED_FOR_SECONDS if self._releaser.waited_for else TICK_SECONDS
                    pause = max(every - (time.monotonic() - began), BREATH_SECONDS)
                else:
                    pause = STANDBY_SECONDS
            except (OperationalError, InterfaceError) as error:
                # The lock ended with the connection: the first process that gets it leads.
                log.warning("the database is away: %s", type(error).__name__)
                self._abdicate()
                # A worker renews every third of a lease, and pauses up to a second when that fails.
                self._leases_from = time.monotonic() + settings.ENGINE_LEASE_SECONDS / 3 + RENEWAL_SECONDS
                pause = STANDBY_SECONDS / 2
            self.stop.wait(pause)
        self._abdicate()

    def _lead(self) -> bool:
        """Hold the lock, in the session of this thread's connection."""
        # The lock is the session's: while the session lives, so does the lead, and no query is needed.
        if self.leads and connection.connection is not None and not connection.connection.closed:
            return True
        self.leads = bool(
            database.fetch_rows("SELECT pg_try_advisory_lock(%(lock)s) AS yes", {"lock": LOCK})[0].yes
        )
        if self.leads:
            log.info("leading")
            # Virtual times of an earlier lead are stale: another process has sent stages since.
            self._clocks = {queue: dispatch_queue.VirtualClock(queue) for queue in list_queues()}
            self._due.clear()
        return self.leads

    def _abdicate(self) -> None:
        """Give the lock back by ending its session: a pooled connection would carry it to its next user."""
        self.leads = False
        if connection.connection is not None:
            connection.connection.close()
        connection.close()

    def tick(self) -> None:
        """One look at everything that is due."""
        # Asked before anything is sent, so that nothing sent below is forgotten.
        lost = self._emptied()
        self._every("outbox", OUTBOX_SECONDS, outbox.deliver_due_events)
        for work in self._periodic.values():
            self._every(work.name, work.seconds, work.run)
        # At rest one statement a look is all, where every queue would ask several.
        if not dispatch_queue.has_live_stages():
            self._releaser.waited_for = False
            return
        self._every("sweep", SWEEP_SECONDS, self.sweep)
        self._every("holds", HOLD_SECONDS, self._holds)
        self._steps.run("release of due stages", engine.release_due_stages)
        self._releaser.release()
        if lost is None:
            return  # the broker is away: what is sent now would only count as sent
        if lost:
            dispatch_queue.forget_sent_stages()
        self._send()
        self._every("stale", QUICK_RESEND_SECONDS / 2, self._resend)

    def sweep(self) -> None:
        """Take stages from lost workers; fail flows past their deadline."""
        # While the database was away nobody could renew a lease: the living do so first.
        if time.monotonic() >= self._leases_from:
            expired = engine.find_expired_leases()
            # A process renews all its leases together, so what it held runs out together.
            held = engine.count_by_process(expired)
            for stage in expired:
                shared = held[engine.read_process(stage.worker)] > 1
                expire = partial(engine.expire_lease, stage.flow_id, stage.id, stage.token, shared=shared)
                self._steps.run(f"the lease of stage {stage.id}", expire)
        for flow_id in engine.find_overdue_flows():
            self._steps.run(f"the deadline of {flow_id}", partial(engine.fail_overdue_flow, flow_id))

    def _holds(self) -> None:
        engine.hold_ready_stages(BATCH)
        engine.release_held_stages(BATCH)
        self._releaser.end_waits_for_fallback()
        self._steps.run("waits for a repo's budget", waits.end_waits_for_budget)
        self._releaser.reword()

    def _every(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        now = time.monotonic()
        if now >= self._due.get(name, 0.0):
            self._due[name] = now + seconds
            self._steps.run(name, work)

    def _emptied(self) -> bool | None:
        """Whether the broker lost everything since the last look; ``None`` when it cannot be asked."""
        try:
            # One atomic command: where the key can be set, the broker has lost everything or is new.
            known = self._redis.set(EPOCH, uuid.uuid4().hex, nx=True) is None
        except redis.RedisError as error:
            log.warning("the broker is away: %s", type(error).__name__)
            return None
        return not known

    def _send(self) -> None:
        """Send what is next on every queue, up to about twice its slots, and tell which queues are full."""
        full = []
        for queue, clock in self._clocks.items():
            room = self._steps.run(f"the queue {queue}", partial(self._fill_queue, queue, clock))
            if room is not None and room <= 0:
                full.append(queue)
        self._publish(tuple(full))

    def _fill_queue(self, queue: str, clock: dispatch_queue.VirtualClock) -> int:
        """Send what is next on ``queue``; how many more it would take."""
        dispatch_queue.tag_ready_stages(clock)
        # Twice the slots keep every worker busy; more would fix the order before it must be.
        room = 2 * settings.QUEUE_SLOTS[queue] - dispatch_queue.count_outstanding(queue)
        for stage in dispatch_queue.take_next_stages(clock, room):
            broker.send_routes(engine.list_routes(stage.flow_id, [stage.id]))
            room -= 1
        return room

    def _publish(self, full: tuple[str, ...]) -> None:
        # Written on a change, and repeated before it expires, so a dead leader closes no queue for long.
        if full != self._full or (full and time.monotonic() >= self._due.get("load", 0.0)):
            self._due["load"] = time.monotonic() + FULL_SECONDS / 3
            dispatch_queue.publish_full_queues(full, set(self._clocks) - set(full), FULL_SECONDS)
            self._full = full

    def _resend(self) -> None:
        for queue in self._clocks:
            try:
                # With an empty queue there is no message to wait for: what was sent and is not claimed is
                # lost.
                drained = self._redis.llen(queue) == 0
            except redis.RedisError:
                return
            for stage in dispatch_queue.take_lost_stages(
                queue, drained=drained, quick_seconds=QUICK_RESEND_SECONDS
            ):
                log.info("stage %s is sent again", stage.id)
                broker.send_routes(engine.list_routes(stage.flow_id, [stage.id]))
