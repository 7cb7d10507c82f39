"""Replays that were asked for: at most one of a kind under way for a flow, sent to a worker, taken once.

1. Two ask at the same moment: a unique index lets one row in, and both are given that one.
2. A message is lost, or the process dies before it is sent: the request is an event of the outbox, which
   delivers it again until a worker has begun.
3. A message arrives twice: the first worker takes the row, the second finds it taken.
4. A worker is lost: the row runs longer than ``LOST_AFTER``, and asking again lets another worker take it.
5. The lost worker comes back: the row is no longer its own (``started_at`` differs), so its result does not
   count.
"""

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestrator.celery import app
from orchestrator.core.models import OutgoingEvent
from orchestrator.core.outbox import publish_event
from orchestrator.flows.engine import old_flows
from orchestrator.flows.models import Flow, Replay, ReplayKind, ReplayStatus
from orchestrator.queues import Queue

LOST_AFTER = timedelta(minutes=15)
TASKS = {ReplayKind.GATES: "flows.replay_gates", ReplayKind.FLOW: "flows.replay_flow"}
"""The name of the Celery task of each kind. Old messages carry it, so it stays."""


def request_replay(kind: ReplayKind, flow: Flow, requested_by: str) -> Replay:
    """The replay of ``flow`` that is under way, or a new one; a worker of the gates queue runs it.

    Raises ``FilesRemoved`` for a flow that ended too long ago.
    """
    old_flows.require_files_for_replay(flow)
    try:
        with transaction.atomic():
            replay = Replay.objects.create(kind=kind, flow=flow, created_by=requested_by)
            _publish_request(replay)
    # The unique index admits one live replay of a kind, so this is the loser of a race or a later caller.
    except IntegrityError:
        return _join_replay(kind, flow)
    return replay


def _join_replay(kind: ReplayKind, flow: Flow) -> Replay:
    """The replay that is under way already; one that waits, or whose worker is lost, is sent again."""
    with transaction.atomic():
        # Only the row is reset: the lost worker's own write is stopped by ``started_at``.
        lost = Replay.objects.filter(
            flow=flow, kind=kind, status=ReplayStatus.RUNNING, started_at__lt=timezone.now() - LOST_AFTER
        )
        lost.update(status=ReplayStatus.PENDING, started_at=None)
        replay = Replay.objects.filter(flow=flow, kind=kind).latest("id")
        if replay.status == ReplayStatus.PENDING:
            _publish_request(replay)
    return replay


def _publish_request(replay: Replay) -> None:
    publish_event("replay.requested", {"replay": replay.pk})


def send_to_worker(event: OutgoingEvent) -> bool:
    """The outbox's subscriber: send the task, and keep the event until a worker has begun.

    The broker keeps messages in memory only, so a message that was sent is not yet one that arrives.
    """
    replay = Replay.objects.filter(pk=event.payload["replay"]).first()
    if replay is None or replay.status != ReplayStatus.PENDING:
        return True
    task = TASKS[ReplayKind(replay.kind)]
    # retry=False: the outbox repeats the delivery itself, with longer and longer pauses.
    app.send_task(task, args=(replay.pk,), queue=Queue.GATES.value, retry=False)
    return False


def find_newest_replay(kind: ReplayKind, flow: Flow) -> Replay | None:
    """The newest replay of ``flow``, in any status."""
    return Replay.objects.filter(flow=flow, kind=kind).order_by("-pk").first()


def take_replay(replay_id: int) -> Replay | None:
    """The replay ``replay_id``, now this worker's; ``None`` where another worker was first."""
    waiting = Replay.objects.filter(pk=replay_id, status=ReplayStatus.PENDING)
    # A compare-and-set: of two workers with the same message only one changes the row.
    if waiting.update(status=ReplayStatus.RUNNING, started_at=timezone.now()) != 1:
        return None
    return Replay.objects.select_related("flow__repo").get(pk=replay_id)


def finish_replay(
    replay: Replay, *, same: bool, result: Any = None, error: dict[str, str] | None = None
) -> None:
    """Write the result of a replay, if it is still this worker's."""
    mine = Replay.objects.filter(pk=replay.pk, status=ReplayStatus.RUNNING, started_at=replay.started_at)
    mine.update(status=ReplayStatus.DONE, finished_at=timezone.now(), same=same, result=result, error=error)
