"""The task that renews the status page; ``renewal`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.status import renewal, schedule


@app.task(name=schedule.TASK)
def renew_status() -> None:
    """Look once."""
    renewal.renew_status()
