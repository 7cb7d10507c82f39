"""When what is due is removed: the dispatcher looks every ten minutes, a worker removes."""

from typing import Final

from orchestrator.celery import app
from orchestrator.core.periodic import PeriodicWork
from orchestrator.ops.retention import removal
from orchestrator.queues import Queue

TASK: Final = "ops.apply_retention"


def request_removal() -> None:
    """Send a message to a worker where something is due. Messages that pile up find nothing left to do."""
    if removal.is_anything_due():
        # retry=False: the next look sends again what the broker did not take.
        app.send_task(TASK, queue=Queue.CONTROL.value, retry=False)


WORK: Final = PeriodicWork("retention", 600.0, request_removal)
