"""The stage table as the outbox of messages: which ready stage is sent next, and which has to be sent again.

Order is decided here, late: the broker holds no more than about twice a queue's slots. Between repos it is fair by
start-time fair queueing: a stage gets a virtual time one step behind the last of its repo, but never before the queue's own
time, so a repo with much work does not hold up one with little. A priority shifts the time by more than any backlog could.
(Goyal, Vin, Cheng: Start-time Fair Queuing, SIGCOMM 1996.)
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from orchestrator.core import database

PRIORITY_STEP = 1e9
_UNTAGGED = """
SELECT st.id, st.queue, fl.repo_id, fl.priority FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NULL AND st.fair_tag = 0
ORDER BY st.id LIMIT %(limit)s
"""
_TAG = """
UPDATE flows_stage st SET fair_tag = t.tag FROM unnest(%(ids)s::bigint[], %(tags)s::float8[]) AS t(id, tag)
WHERE st.id = t.id AND st.status = 'ready' AND st.sent_at IS NULL
"""
_LAST_TAGS = """
SELECT fl.repo_id, fl.priority, max(st.fair_tag) AS newest, min(st.fair_tag) AS oldest
FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NULL AND st.fair_tag <> 0 GROUP BY 1, 2
"""
_OUTSTANDING = """
SELECT (SELECT count(*) FROM flows_stage WHERE queue = %(queue)s AND status = 'ready' AND sent_at IS NOT NULL)
    + (SELECT count(*) FROM flows_stage WHERE queue = %(queue)s AND status = 'running') AS n
"""
# Skips what is locked: a flow that is being paused or cancelled right now is looked at again next time.
_TAKE = """
WITH next AS (
    SELECT st.id FROM flows_stage st JOIN flows_flow fl ON fl.id = st.flow_id
    WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NULL AND st.fair_tag <> 0
        AND fl.status IN ('pending', 'running', 'waiting')
    ORDER BY st.fair_tag, st.id LIMIT %(limit)s FOR NO KEY UPDATE OF fl SKIP LOCKED
), s AS (
    UPDATE flows_stage st SET sent_at = clock_timestamp(), sends = st.sends + 1
    FROM next WHERE st.id = next.id AND st.status = 'ready' AND st.sent_at IS NULL
    RETURNING st.id, st.flow_id, st.queue, st.fair_tag
)
SELECT id, flow_id, queue, fair_tag FROM s ORDER BY fair_tag, id
"""
_STALE = """
WITH stale AS (
    SELECT st.id FROM flows_stage st WHERE st.queue = %(queue)s AND st.status = 'ready' AND st.sent_at IS NOT NULL
        AND st.sent_at < clock_timestamp() - make_interval(secs => CASE WHEN %(drained)s THEN %(quick)s
            ELSE LEAST(%(base)s * 2 ^ LEAST(st.sends - 1, 10), 600) END)
    ORDER BY st.sent_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE flows_stage st SET sent_at = clock_timestamp(), sends = st.sends + 1 FROM stale WHERE st.id = stale.id
RETURNING st.id, st.flow_id
"""
_FORGET = """
UPDATE flows_stage SET sent_at = NULL, sends = 0 WHERE status = 'ready' AND sent_at IS NOT NULL
"""
_LOAD = """
INSERT INTO flows_queueload (queue, full_until)
SELECT q, now() + make_interval(secs => %(seconds)s) FROM unnest(%(full)s::text[]) q
UNION ALL SELECT q, NULL FROM unnest(%(open)s::text[]) q
ON CONFLICT (queue) DO UPDATE SET full_until = EXCLUDED.full_until
"""


class VirtualClock:
    """The virtual time of one queue: of the stage sent last, and of the newest stage of every repo. Lives in the leader.

    What a new leader needs of it is in the tags that wait.
    """

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.now: dict[int, float] = {}
        self.last: dict[tuple[int, int], float] = {}
        for row in database.fetch_rows(_LAST_TAGS, {"queue": queue}):
            shift = row.priority * PRIORITY_STEP
            self.last[row.repo_id, row.priority] = row.newest + shift
            self.now[row.priority] = min(
                self.now.get(row.priority, row.oldest + shift), row.oldest + shift - 1.0
            )

    def tag(self, repo: int, priority: int) -> float:
        """The time of the next stage of ``repo``; the smaller, the sooner. Never 0, which means: none yet."""
        at = max(self.now.get(priority, 0.0), self.last.get((repo, priority), 0.0)) + 1.0
        self.last[repo, priority] = at
        return at - priority * PRIORITY_STEP

    def sent(self, tag: float) -> None:
        """The queue's time goes on to that of a stage just sent."""
        priority = -round(tag / PRIORITY_STEP)
        self.now[priority] = max(self.now.get(priority, 0.0), tag + priority * PRIORITY_STEP - 1.0)


def tag_ready_stages(clock: VirtualClock, limit: int = 1000) -> int:
    """Give unsent stages of a queue their virtual time; how many."""
    found = database.fetch_rows(_UNTAGGED, {"queue": clock.queue, "limit": limit})
    if found:
        database.fetch_rows(
            _TAG,
            {
                "ids": [row.id for row in found],
                "tags": [clock.tag(row.repo_id, row.priority) for row in found],
            },
        )
    return len(found)


def count_outstanding(queue: str) -> int:
    """Stages of ``queue`` that were sent and have not ended: in the broker, or running."""
    return int(database.fetch_rows(_OUTSTANDING, {"queue": queue})[0].n)


def take_next_stages(clock: VirtualClock, limit: int) -> list[Any]:
    """Mark the next stages of a queue as sent, in fair order: id and flow_id. The caller sends them."""
    taken = database.fetch_rows(_TAKE, {"queue": clock.queue, "limit": limit}) if limit > 0 else []
    for row in taken:
        clock.sent(row.fair_tag)
    return taken


def take_lost_stages(queue: str, *, drained: bool, quick_seconds: float, limit: int = 200) -> list[Any]:
    """Mark stages as sent again whose message seems lost: id and flow_id.

    ``drained``: the broker's queue is empty, so what was sent ``quick_seconds`` ago and is not claimed is lost. Otherwise a
    message may just be waiting its turn, and the pause doubles with every send.
    """
    params = {
        "queue": queue,
        "drained": drained,
        "quick": quick_seconds,
        "base": float(settings.ENGINE_RESEND_SECONDS),
    }
    return database.fetch_rows(_STALE, params | {"limit": limit})


def forget_sent_stages() -> None:
    """Count nothing as sent: the broker has lost everything."""
    database.fetch_rows(_FORGET, {})


def publish_full_queues(full: Sequence[str], not_full: Iterable[str], seconds: float) -> None:
    """Tell everybody which queues are full, for so many seconds; they leave sending to the dispatcher then."""
    database.fetch_rows(_LOAD, {"full": list(full), "open": list(not_full), "seconds": seconds})
