"""The base of every Celery task.

``orchestrator.celery`` gives it to the application, so a task need not name it.

A task is a few lines: its name on the wire, and a call of the function that does the work. What holds for all
of them is here:

- A message that is sent inside a transaction leaves after the commit. Sent before, a worker could look for a
  row that is not there yet; and after a rollback, for a row that never comes.
- Every line that is logged while a task runs carries the task's name and id.
- Runs are counted by task and outcome, in ``TASK_RUNS``.
"""

from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult
from django.db import transaction
from prometheus_client import Counter
from structlog.contextvars import bound_contextvars

TASK_RUNS = Counter(
    "orchestrator_task_runs",
    "Runs of Celery tasks in this process. outcome: done, failed, or put_back for a run that does not count.",
    ["task", "outcome"],
)
# Celery's own way to say that a run is neither a success nor a failure.
_PUT_BACK = (Ignore, Reject, Retry)


class OrchestratorTask(Task):  # type: ignore[type-arg]  # generic in its stubs only
    """A task that is sent after the commit, counted, and logged with its context."""

    abstract = True
    ignore_result = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task's function.

        Celery has pushed the request already, so this does not go through ``super()``.
        """
        outcome = "failed"
        try:
            # Threads of a pool are used again, so the context must end with the run.
            with bound_contextvars(task=self.name, task_id=self.request.id):
                result = self.run(*args, **kwargs)
            outcome = "done"
        except _PUT_BACK:
            outcome = "put_back"
            raise
        finally:
            TASK_RUNS.labels(self.name, outcome).inc()
        return result

    def apply_async(self, *args: Any, **kwargs: Any) -> AsyncResult[Any] | None:  # type: ignore[override]
        """Send a message for this task: now, or after the commit of the transaction that is open.

        Returns nothing then.
        """
        if not transaction.get_connection().in_atomic_block:
            return super().apply_async(*args, **kwargs)
        transaction.on_commit(lambda: self._send(args, kwargs))
        return None

    def _send(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().apply_async(*args, **kwargs)
