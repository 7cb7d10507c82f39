"""The interface to Celery: it calls the runner, nothing else."""

from celery import Task
from celery.apps.worker import Worker
from celery.signals import celeryd_after_setup, worker_ready
from celery.worker.consumer import Consumer

from orchestrator.celery import app
from orchestrator.core import pooler
from orchestrator.flows.engine import broker
from orchestrator.flows.models import ReplayKind
from orchestrator.flows.replay import flow_replay, gate_replay
from orchestrator.flows.replay.requests import TASKS
from orchestrator.flows.worker import preparation, presence, runner, shutdown
from orchestrator.flows.worker.lost_children import LostChildren, outlive_first_children


@app.task(name="flows.run_stage", bind=True)
def run_stage(self: Task[..., None], stage_id: int) -> None:
    """Run the stage ``stage_id``, and fire the tail of its chain only where that is still to be done.

    An ``Ignore`` would stop the tail too, but Celery renders its whole traceback, which costs more than the
    stage's bookkeeping.
    """
    if not runner.run_stages(stage_id, has_tail=bool(self.request.chain)):
        self.request.chain = None


@app.task(name=broker.PREPARE_STAGE_TASK)
def prepare_stage(flow_id: str, kind: str) -> None:
    """Do ahead what of the stage ``kind`` of a flow costs no call; nothing where it runs or has run."""
    preparation.prepare_stage(flow_id, kind)


@app.task(name=TASKS[ReplayKind.GATES])
def replay_gates(replay_id: int) -> None:
    """Run the gates again on the sealed block of the replay ``replay_id``."""
    gate_replay.run_requested(replay_id)


@app.task(name=TASKS[ReplayKind.FLOW])
def replay_flow(replay_id: int) -> None:
    """Replay a finished flow from its record; a second message for the same replay does nothing."""
    flow_replay.run_requested(replay_id)


@celeryd_after_setup.connect
def prepare(instance: Worker, **_: object) -> None:
    """Import what this worker's queues need before it takes work: no flow waits for an SDK to load.

    Raises ``ImproperlyConfigured`` where the way to the database cannot be used.
    """
    pooler.require_own_sessions()
    runner.load_stages(instance.app.amqp.queues.consume_from)


@worker_ready.connect
def watch_over(sender: Consumer, **_: object) -> None:
    """Tell that this worker lives, notice processes of its pool that are gone, and leave in an orderly way.

    Celery has set its own answer to SIGTERM before.
    """
    # The consumer sets it in its constructor; the stubs lack it.
    worker: Worker = sender.controller  # type: ignore[attr-defined]
    present = presence.Presence(worker.app.amqp.queues.consume_from)
    present.start()
    shutdown.install_handler(worker, present)
    outlive_first_children(worker)
    LostChildren(worker).start()
