"""The task of notifications; ``delivery`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.notifications import delivery


@app.task(name=delivery.TASK)
def deliver(notification_id: int) -> None:
    """Send one message."""
    delivery.deliver(notification_id)
