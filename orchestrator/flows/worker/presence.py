"""Which workers live: each says so every few seconds, also when it has nothing to do.

Kept in the broker, in one sorted set of "queue process" by the time of the last beat, by the broker's own
clock. It is a view and no truth: what a silent worker held is taken away by its leases.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis

from orchestrator.core.broker_client import open_broker
from orchestrator.queues import list_queues

KEY = "orchestrator:workers"
BEAT_SECONDS = 5.0
SILENT_SECONDS = 15.0
"""A worker that has not beaten for this long does not answer. With the beat it is seen within 30 seconds."""
FORGET_SECONDS = 300.0
"""A worker that is gone for good is shown for this long."""
_TIMEOUT_SECONDS = 2.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueWorkers:
    """How many workers of a queue beat, and how many have stopped to."""

    beating: int = 0
    silent: int = 0


class Presence:
    """One worker's beats for the queues that it takes stages from."""

    def __init__(self, queues: Iterable[str]) -> None:
        own = f"{socket.gethostname()}:{os.getpid()}"
        self._members = [f"{queue} {own}" for queue in sorted(queues)]
        self._left = threading.Event()

    def start(self) -> None:
        """Beat from a thread until ``leave``."""
        threading.Thread(target=self._beat_on, name="presence", daemon=True).start()

    def beat(self) -> None:
        """Say once that this worker lives."""
        with open_broker(_TIMEOUT_SECONDS) as client:
            now = _read_time(client)
            client.zadd(KEY, dict.fromkeys(self._members, now))
            client.zremrangebyscore(KEY, "-inf", now - FORGET_SECONDS)

    def leave(self) -> None:
        """Take this worker off the list: it stops in an orderly way."""
        self._left.set()
        try:
            with open_broker(_TIMEOUT_SECONDS) as client:
                client.zrem(KEY, *self._members)
        except (redis.RedisError, OSError) as error:
            log.warning("the broker still lists this worker: %s", type(error).__name__)

    def _beat_on(self) -> None:
        while not self._left.is_set():
            try:
                self.beat()
            except (redis.RedisError, OSError) as error:
                log.warning("no sign of life was given: %s", type(error).__name__)
            self._left.wait(BEAT_SECONDS)


def count_workers() -> dict[str, QueueWorkers]:
    """The workers of each queue. Raises ``redis.RedisError`` while the broker is away."""
    ages: dict[str, list[float]] = {queue: [] for queue in list_queues()}
    for member, age in _read_ages():
        queue = member.partition(" ")[0]
        if queue in ages:
            ages[queue].append(age)
    return {queue: _count(found) for queue, found in ages.items()}


def count_hosts() -> int:
    """On how many hosts workers beat; in Kubernetes each pod is one.

    Raises ``redis.RedisError`` while the broker is away.
    """
    beating = [member for member, age in _read_ages() if age <= SILENT_SECONDS]
    # "queue host:pid"; a host may have a colon in its name, a pid has none.
    return len({member.partition(" ")[2].rpartition(":")[0] for member in beating})


def _read_ages() -> list[tuple[str, float]]:
    """Every listed worker, as "queue host:pid", and the seconds since its last beat."""
    with open_broker(_TIMEOUT_SECONDS) as client:
        now = _read_time(client)
        listed: Any = client.zrange(KEY, 0, -1, withscores=True)
    return [(member.decode(), now - beaten_at) for member, beaten_at in listed]


def _count(ages: list[float]) -> QueueWorkers:
    silent = sum(age > SILENT_SECONDS for age in ages)
    return QueueWorkers(len(ages) - silent, silent)


def _read_time(client: "redis.Redis") -> float:
    seconds, microseconds = client.time()
    return float(seconds) + float(microseconds) / 1_000_000
