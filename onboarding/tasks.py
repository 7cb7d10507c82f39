"""The task that runs a step; ``runner`` does the work."""

from onboarding import engine, runner
from orchestrator.celery import app


@app.task(name=engine.TASK)
def run_step(step_id: int) -> None:
    """Run the step ``step_id`` where it is due."""
    runner.run_step(step_id)
