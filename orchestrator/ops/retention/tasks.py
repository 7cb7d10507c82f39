"""The task that removes what is due; ``removal`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.retention import removal, schedule


@app.task(name=schedule.TASK)
def apply_retention() -> None:
    """Remove what is due."""
    removal.remove_due()
