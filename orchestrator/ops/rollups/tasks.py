"""The task that counts days; ``days`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.rollups import days, schedule


@app.task(name=schedule.TASK)
def count_days() -> None:
    """Count what is due."""
    days.count_due_days()
