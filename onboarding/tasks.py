"""The task that runs a step; ``runner`` does the work."""

from celery.apps.worker import Worker
from celery.signals import celeryd_after_setup

from onboarding import drift, engine, read_access_renewal, runner
from orchestrator.celery import app


@app.task(name=engine.TASK)
def run_step(step_id: int) -> None:
    """Run the step ``step_id`` where it is due."""
    runner.run_step(step_id)


@app.task(name=read_access_renewal.TASK)
def renew_read_access() -> None:
    """Renew the credentials of clones that end soon."""
    read_access_renewal.renew_due_access()


@app.task(name=drift.TASK)
def check_drift(state_id: int) -> None:
    """Compare what Terraform has made for a repo with what is there."""
    drift.check_drift(state_id)


@celeryd_after_setup.connect
def prepare(instance: Worker, **_: object) -> None:
    """Import what this worker's queues need before it takes work."""
    runner.load_steps(instance.app.amqp.queues.consume_from)
