"""When reports are written: the dispatcher looks every ten minutes, a worker writes."""

from typing import Final

from orchestrator.celery import app
from orchestrator.core.periodic import PeriodicWork
from orchestrator.ops.reports import archive
from orchestrator.queues import Queue

TASK: Final = "ops.write_reports"


def request_due_reports() -> None:
    """Send a message to a worker where something is due. Messages that pile up find nothing left to do."""
    if next(archive.list_due(), None) is not None:
        # retry=False: the next look sends again what the broker did not take.
        app.send_task(TASK, queue=Queue.CONTROL.value, retry=False)


WORK: Final = PeriodicWork("the reports", 600.0, request_due_reports)
