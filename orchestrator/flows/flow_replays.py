"""Replays that were asked for: rows, messages, the worker's side. A message that gets lost is sent again by whoever asks."""

import logging
from datetime import timedelta

from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from orchestrator.celery import app
from orchestrator.flows.flow_replay import replay
from orchestrator.flows.models import Flow, FlowReplay, FlowReplayStatus
from orchestrator.queues import Queue

TASK = "flows.replay_flow"
# A replay that has not come to its end after this has lost its worker; asking again starts another one.
LOST_AFTER = timedelta(minutes=15)
RESEND_AFTER = timedelta(seconds=10)
log = logging.getLogger(__name__)


def ask(flow: Flow, actor: str) -> FlowReplay:
    """The replay of ``flow`` that is under way, else a new one, sent to a worker of the gates queue."""
    recent = FlowReplay.objects.filter(flow=flow, finished_at=None, created_at__gt=timezone.now() - LOST_AFTER)
    found = recent.order_by("-id").first() or FlowReplay.objects.create(flow=flow, created_by=actor)
    if found.status == FlowReplayStatus.PENDING:
        send(found)
    return found


def newest(flow: Flow) -> FlowReplay | None:
    """The newest replay of ``flow``; sent again if nobody has begun it for a while."""
    found = FlowReplay.objects.filter(flow=flow).order_by("-id").first()
    if (
        found is not None
        and found.status == FlowReplayStatus.PENDING
        and found.sent_at
        and found.sent_at < timezone.now() - RESEND_AFTER
    ):
        send(found)
    return found


def send(asked: FlowReplay) -> None:
    """Send the message; a broker that is away costs time, nothing else."""
    FlowReplay.objects.filter(pk=asked.pk).update(sent_at=timezone.now())
    try:
        app.send_task(TASK, args=(asked.pk,), queue=Queue.GATES.value, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("replay %s was not sent: %s", asked.pk, type(error).__name__)


def run(replay_id: int) -> None:
    """The worker's side: whoever comes first runs it, anybody later does nothing."""
    mine = FlowReplay.objects.filter(pk=replay_id, status=FlowReplayStatus.PENDING)
    if mine.update(status=FlowReplayStatus.RUNNING, started_at=timezone.now()) != 1:
        return
    asked = FlowReplay.objects.select_related("flow__repo").get(pk=replay_id)
    report = replay(asked.flow)
    FlowReplay.objects.filter(pk=replay_id).update(
        status=FlowReplayStatus.DIFFERENT if report.differences else FlowReplayStatus.SAME,
        report=report.as_json(),
        finished_at=timezone.now(),
    )
