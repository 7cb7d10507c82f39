"""When days are counted: the dispatcher looks every minute, a worker counts."""

from typing import Final

from orchestrator.celery import app
from orchestrator.core.periodic import PeriodicWork
from orchestrator.ops.rollups import days
from orchestrator.queues import Queue

TASK: Final = "ops.count_days"


def request_due_count() -> None:
    """Send a message to a worker where something is due. Messages that pile up find nothing left to do."""
    if days.find_next_count() is not None:
        # retry=False: the next look sends again what the broker did not take.
        app.send_task(TASK, queue=Queue.CONTROL.value, retry=False)


WORK: Final = PeriodicWork("the count of days", 60.0, request_due_count)
