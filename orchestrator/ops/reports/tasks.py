"""The task that writes reports; ``archive`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.reports import archive, schedule


@app.task(name=schedule.TASK)
def write_reports() -> None:
    """Write what is due."""
    archive.write_due_reports()
