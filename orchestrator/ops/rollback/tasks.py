"""The task of rollbacks; ``applying`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.rollback import applying


# The name stays for ever: messages of an older version carry it.
@app.task(name=applying.TASK)
def finish_rollback(number: int) -> None:
    """Cancel flows and bring the rollback ``number`` into force."""
    applying.finish_rollback(number)
