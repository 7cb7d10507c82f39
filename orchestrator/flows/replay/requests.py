"""Replays that were asked for: one under way for a flow, sent to a worker, taken once. What gets lost on the way is sent or
taken again by whoever asks.

1. Two ask at once: a unique index lets one row in, the other is given that one.
2. A message is lost: nobody has begun after ``RESEND_AFTER``, and the next look sends it again.
3. A worker is lost: the row runs longer than ``LOST_AFTER``, and asking lets it be taken again.
4. The lost worker comes back after all: the row is no longer its own (``started_at``), and what it brings does not count.
"""

import logging
from datetime import timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from orchestrator.celery import app
from orchestrator.flows.models import Flow, ReplayRequest
from orchestrator.queues import Queue

LOST_AFTER = timedelta(minutes=15)
RESEND_AFTER = timedelta(seconds=10)
PENDING, RUNNING = "pending", "running"
R = TypeVar("R", bound=ReplayRequest)
log = logging.getLogger(__name__)


def ask(kind: type[R], flow: Flow, by: str) -> R:
    """The replay of ``flow`` that is under way, or a new one, sent to a worker of the gates queue."""
    rows = kind._default_manager
    try:
        with transaction.atomic():
            asked = rows.create(flow=flow, created_by=by)
    except IntegrityError:
        lost = rows.filter(flow=flow, status=RUNNING, started_at__lt=timezone.now() - LOST_AFTER)
        lost.update(status=PENDING, started_at=None)
        newest = _newest(kind, flow)
        if newest is None:
            raise
        asked = newest
    if asked.status == PENDING:
        transaction.on_commit(lambda: _send(asked))
    return asked


def newest(kind: type[R], flow: Flow) -> R | None:
    """The newest replay of ``flow``; sent again if nobody has begun it for a while."""
    found = _newest(kind, flow)
    if (
        found is not None
        and found.status == PENDING
        and (found.sent_at or found.created_at) < timezone.now() - RESEND_AFTER
    ):
        _send(found)
    return found


def take(kind: type[R], replay_id: int) -> R | None:
    """The replay ``replay_id``, now this worker's; ``None`` where somebody else was first."""
    waiting = kind._default_manager.filter(pk=replay_id, status=PENDING)
    if waiting.update(status=RUNNING, started_at=timezone.now()) != 1:
        return None
    return kind._default_manager.select_related("flow__repo").get(pk=replay_id)


def end(taken: ReplayRequest, status: str, **found: Any) -> None:
    """Write what came of a replay, if it is still this worker's."""
    mine = type(taken)._default_manager.filter(pk=taken.pk, status=RUNNING, started_at=taken.started_at)
    mine.update(status=status, finished_at=timezone.now(), **found)


def _newest(kind: type[R], flow: Flow) -> R | None:
    return kind._default_manager.filter(flow=flow).order_by("-pk").first()


def _send(asked: ReplayRequest) -> None:
    """Send the message; a broker that is away costs time, nothing else."""
    type(asked)._default_manager.filter(pk=asked.pk).update(sent_at=timezone.now())
    try:
        app.send_task(asked.TASK, args=(asked.pk,), queue=Queue.GATES.value, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("%s %s was not sent: %s", asked.TASK, asked.pk, type(error).__name__)
