"""The interface to Celery: it calls the engine, nothing else."""

from orchestrator.celery import app
from orchestrator.flows import replays, runner


@app.task(name="flows.run_stage", ignore_result=True)
def run_stage(stage_id: int) -> None:
    """Run the stage ``stage_id``; its chain goes on only if this returns."""
    runner.run(stage_id)


@app.task(name="flows.replay", ignore_result=True)
def run_replay(replay_id: int) -> None:
    """Replay a finished flow; a second message for the same replay does nothing."""
    replays.run(replay_id)
