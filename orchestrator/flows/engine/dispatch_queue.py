"""The stage table as the outbox of messages: which ready stage is sent next, and which has to be sent again.

Order is decided here, late: the broker holds no more than about twice a queue's slots. Between repos it is
fair by start-time fair queueing: a stage gets a virtual time one step behind the last of its repo, but never
before the queue's own time, so a repo with much work does not hold up one with little. A priority shifts the
time by more than any backlog could. (Goyal, Vin, Cheng: Start-time Fair Queuing, SIGCOMM 1996.)
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from orchestrator.core import database
from orchestrator.core.sql import load_statements

PRIORITY_STEP = 1e9
_SQL = load_statements(__file__)


class VirtualClock:
    """The virtual time of one queue: of the stage sent last, and of the newest stage of every repo.

    It exists in the leader only. A new leader reads what it needs from the tags of unsent stages.
    """

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.now: dict[int, float] = {}
        self.last: dict[tuple[int, int], float] = {}
        for row in database.fetch_rows(_SQL["read_last_tags"], {"queue": queue}):
            # Tags contain the priority; the clock compares the times without it.
            shift = row.priority * PRIORITY_STEP
            self.last[row.repo_id, row.priority] = row.newest + shift
            self.now[row.priority] = min(
                self.now.get(row.priority, row.oldest + shift), row.oldest + shift - 1.0
            )

    def tag(self, repo: int, priority: int) -> float:
        """The time of the next stage of ``repo``; the smaller, the sooner. Never 0, which means: none yet."""
        # A repo that had nothing to do starts at the queue's time: idleness earns no credit.
        at = max(self.now.get(priority, 0.0), self.last.get((repo, priority), 0.0)) + 1.0
        self.last[repo, priority] = at
        return at - priority * PRIORITY_STEP

    def sent(self, tag: float) -> None:
        """Move the queue's time to that of a stage just sent."""
        # The tag is the time minus priority times step, and no time comes near half a step.
        priority = -round(tag / PRIORITY_STEP)
        # Never backwards: a stage whose flow was locked at earlier looks is sent late, with an older time.
        self.now[priority] = max(self.now.get(priority, 0.0), tag + priority * PRIORITY_STEP - 1.0)


def has_live_stages() -> bool:
    """Whether any stage is ready, runs or waits. Without one there is nothing to send, expire or release."""
    return bool(database.fetch_row(_SQL["has_live_stages"]).yes)


def tag_ready_stages(clock: VirtualClock, limit: int = 1000) -> int:
    """Give unsent stages of a queue their virtual time; how many."""
    found = database.fetch_rows(_SQL["find_untagged_stages"], {"queue": clock.queue, "limit": limit})
    if found:
        database.fetch_rows(
            _SQL["write_fair_tags"],
            {
                "ids": [row.id for row in found],
                "tags": [clock.tag(row.repo_id, row.priority) for row in found],
            },
        )
    return len(found)


def count_outstanding(queue: str) -> int:
    """Stages of ``queue`` that were sent and have not ended: in the broker, or running."""
    return int(database.fetch_rows(_SQL["count_outstanding"], {"queue": queue})[0].n)


def take_next_stages(clock: VirtualClock, limit: int) -> list[Any]:
    """Mark the next stages of a queue as sent, in fair order: id and flow_id. The caller sends them."""
    taken = (
        database.fetch_rows(_SQL["take_next_stages"], {"queue": clock.queue, "limit": limit})
        if limit > 0
        else []
    )
    for row in taken:
        clock.sent(row.fair_tag)
    return taken


def take_lost_stages(queue: str, *, drained: bool, quick_seconds: float, limit: int = 200) -> list[Any]:
    """Mark stages as sent again whose message seems lost: id and flow_id.

    ``drained``: the broker's queue is empty, so what was sent ``quick_seconds`` ago and is not claimed is
    lost. Otherwise a message may just be waiting its turn, and the pause doubles with every send.
    """
    params = {
        "queue": queue,
        "drained": drained,
        "quick": quick_seconds,
        "base": float(settings.ENGINE_RESEND_SECONDS),
    }
    return database.fetch_rows(_SQL["take_lost_stages"], params | {"limit": limit})


def forget_sent_stages() -> None:
    """Count nothing as sent: the broker has lost everything."""
    database.fetch_rows(_SQL["forget_sent_stages"], {})


def publish_full_queues(full: Sequence[str], not_full: Iterable[str], seconds: float) -> None:
    """Write which queues are full, for so many seconds: senders then leave them to the dispatcher."""
    database.fetch_rows(
        _SQL["publish_full_queues"], {"full": list(full), "open": list(not_full), "seconds": seconds}
    )
