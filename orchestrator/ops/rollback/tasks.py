"""The task of rollbacks; ``enforcement`` does the work."""

from orchestrator.celery import app
from orchestrator.ops.rollback import enforcement


# The name stays for ever: messages of an older version carry it.
@app.task(name=enforcement.TASK)
def finish_rollback(number: int) -> None:
    """Cancel flows and bring the rollback ``number`` into force."""
    enforcement.finish_rollback(number)
