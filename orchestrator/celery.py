"""The Celery application: transport only. What must hold is held by the database; see ``docs/explanation/locking.md``.

Every setting here that is not a default answers a hazard that was seen: lost messages, doubled messages, sleeping tasks,
half-open sockets, workers that die in the middle.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

from celery import Celery, signals
from django.conf import settings
from kombu import Exchange
from kombu import Queue as Route

from orchestrator import child_processes
from orchestrator.queues import Queue

VISIBILITY_TIMEOUT_SECONDS = 24 * 3600

app = Celery("orchestrator", task_cls="orchestrator.core.tasks:OrchestratorTask")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_limit=16,
    broker_transport_options={
        # A message that a dead worker held comes back by the sweep of the database long before this; a short timeout
        # would double every stage that runs longer.
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "retry_on_timeout": False,
    },
    # The anonymous exchange routes by the queue's name alone: no binding in Redis that an emptied Redis could lose.
    task_queues=[Route(queue.value, Exchange(""), routing_key=queue.value) for queue in Queue],
    task_default_queue=Queue.CONTROL.value,
    task_create_missing_queues=False,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=0,  # of SIGQUIT and ctrl-C; SIGTERM is answered by flows.leaving
    worker_hijack_root_logger=False,
    worker_proc_alive_timeout=30,
    timezone="UTC",
    enable_utc=True,
    # Celery's Django fixup would close the connection around every task; the runner gives it back to the pool itself.
    CELERY_DB_REUSE_MAX=2**31,
)
app.autodiscover_tasks(["orchestrator.flows.worker"])


@signals.worker_process_init.connect
def end_with_worker(**_: object) -> None:
    """A pool's process does not outlive its worker, however that ended: it would run gates that nobody waits for."""
    child_processes.end_with_parent()
