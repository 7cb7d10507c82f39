"""The messages that tell workers of steps that may run.

A lost one is made up for by the clock, see ``due``.
"""

import logging
from typing import Final

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from onboarding.engine import due
from orchestrator.celery import app
from orchestrator.core.broker_client import open_broker
from orchestrator.queues import ONBOARDING_QUEUE

TASK: Final = "onboarding.run_step"
_BROKER_SECONDS: Final = 2.0
# More than are ever due: nothing is sent.
_BROKER_AWAY: Final = 1_000_000
log = logging.getLogger(__name__)


def send_due(request_id: int) -> None:
    """Send the step of a request that may run now, after the commit of the transaction that is open."""
    # Robust: the caller's work is committed, and the clock finds the step where the broker is away.
    transaction.on_commit(lambda: _send_each(due.find_due_steps(request_id=request_id)), robust=True)


def send_all_due() -> None:
    """Send every step that may run now; a second message for the same step finds nothing to claim."""
    found = due.find_due_steps()
    if found and _count_waiting() < len(found):
        _send_each(found)


def _count_waiting() -> int:
    """How many messages no worker has taken yet: each look would add to them while there is no worker."""
    try:
        with open_broker(_BROKER_SECONDS) as broker:
            return int(broker.llen(ONBOARDING_QUEUE))
    except RedisError as error:
        log.warning("onboarding does not reach the broker: %s", type(error).__name__)
        return _BROKER_AWAY


def _send_each(step_ids: list[int]) -> None:
    for step_id in step_ids:
        try:
            # retry=False: the next look sends again what the broker did not take.
            app.send_task(TASK, args=(step_id,), queue=ONBOARDING_QUEUE, retry=False)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("step %s was not sent: %s", step_id, type(error).__name__)
            return
