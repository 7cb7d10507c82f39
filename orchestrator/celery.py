"""The Celery application, which only transports messages: the database guarantees everything else.

``docs/explanation/locking.md`` says how. Every setting here that is not a default answers a hazard that was
seen: lost messages, doubled messages, sleeping tasks, half-open sockets, workers that die in the middle.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

# The imports below read Django's settings, so the module that holds them is named first.
from celery import Celery, signals
from django.conf import settings
from kombu import Exchange
from kombu import Queue as Route

from orchestrator import broker_address, broker_transport, child_processes
from orchestrator.core import tracing
from orchestrator.queues import ONBOARDING_QUEUE, Queue, list_queues

VISIBILITY_TIMEOUT_SECONDS = 24 * 3600

# Of a connection to the broker, in seconds.
TIMEOUTS = {"socket_timeout": 10, "socket_connect_timeout": 3, "socket_keepalive": True}


def compose_broker_settings(url: str) -> dict[str, Any]:
    """Celery's settings for the broker at ``url``, which may be a server or its Sentinels."""
    address = broker_address.parse_broker_url(url, settings.SERVERS_CA_FILE)
    return {
        "broker_url": address.celery_url(),
        "broker_use_ssl": address.tls_options() or None,
        "broker_transport_options": {
            # The sweep of the database sends the message of a dead worker again long before this. A short
            # timeout would double every stage that runs longer.
            "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
            **TIMEOUTS,
            "health_check_interval": 5,
            "retry_on_timeout": False,
            "master_name": address.master or None,
            # kombu gives Sentinels neither TLS nor a password, nor a limit of time, by itself.
            "sentinel_kwargs": address.sentinel_options(TIMEOUTS),
        },
    }


broker_transport.install()
app = Celery("orchestrator", task_cls="orchestrator.core.tasks:OrchestratorTask")
app.conf.update(
    **compose_broker_settings(settings.REDIS_URL),
    broker_connection_retry_on_startup=True,
    # A worker outlives any outage of Redis: it keeps trying, and the database holds the work.
    broker_connection_max_retries=None,
    # A failover is answered (READONLY, UNBLOCKED, LOADING, MISCONF) without a lost connection: connect again.
    broker_channel_error_retry=True,
    broker_pool_limit=16,
    # The anonymous exchange routes by the queue's name alone, so an emptied Redis loses no binding.
    task_queues=[
        Route(queue, Exchange(""), routing_key=queue) for queue in (*list_queues(), ONBOARDING_QUEUE)
    ],
    task_default_queue=Queue.CONTROL.value,
    task_create_missing_queues=False,
    task_serializer="json",
    accept_content=["json"],
    # Results are rows of the database; a second copy in Redis could only contradict them.
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    # A message is acknowledged after its task: if the worker dies before that, the message comes back.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # No message waits at a busy worker while another one is idle.
    worker_prefetch_multiplier=1,
    # A model call that was paid for is finished even if Redis goes away in the middle.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=0,  # for SIGQUIT and ctrl-C; flows.worker.shutdown answers SIGTERM
    worker_hijack_root_logger=False,
    worker_proc_alive_timeout=30,
    timezone="UTC",
    enable_utc=True,
    # Celery's Django fixup would close the connection around every task; the runner itself gives it back to
    # the pool.
    CELERY_DB_REUSE_MAX=2**31,
)
app.autodiscover_tasks(
    [
        "orchestrator.flows.worker",
        "orchestrator.ops.notifications",
        "orchestrator.ops.rollback",
        "orchestrator.ops.rollups",
        "orchestrator.ops.retention",
        "orchestrator.ops.reports",
        "orchestrator.ops.status",
        "onboarding",
    ]
)


@signals.worker_process_init.connect
def end_with_worker(**_: object) -> None:
    """End a pool's process with its worker, however that ends: it would run gates that nobody waits for."""
    child_processes.end_with_parent()


@signals.worker_process_shutdown.connect
def send_last_spans(**_: object) -> None:
    """Send what a pool's process has not sent yet: it ends without Python's own farewell."""
    tracing.stop_tracer()
