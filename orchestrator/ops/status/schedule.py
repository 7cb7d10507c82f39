"""When the status page looks: the dispatcher asks every minute, a worker does it."""

from typing import Final

from orchestrator.celery import app
from orchestrator.core.periodic import PeriodicWork
from orchestrator.queues import Queue

TASK: Final = "ops.renew_status"


def request_renewal() -> None:
    """Send a message to a worker. A minute counts once, however many messages there are."""
    # retry=False: the next minute sends again what the broker did not take.
    app.send_task(TASK, queue=Queue.CONTROL.value, retry=False)


WORK: Final = PeriodicWork("the renewal of the status page", 60.0, request_renewal)
