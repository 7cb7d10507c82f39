"""Messages to the queues: Celery chains of the stages that follow, groups where the way forks, ids only.

A message is a hint. Losing it costs time, getting it twice costs a claim that loses; so a send that fails is
only logged, and the dispatcher sends again what stays unclaimed.
"""

import logging
from collections.abc import Iterable
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from orchestrator.celery import app
from orchestrator.flows.engine.routes import Route

RUN_STAGE_TASK = "flows.run_stage"
log = logging.getLogger(__name__)


def send_route(route: Route) -> bool:
    """Send the first stage of ``route`` to its queue, and the others as its tail.

    False: the broker is away.
    """
    (first, queue), *rest = route.chain
    # What celery.chain() would put on the wire, without building and freezing its canvas: the tail, last
    # stage first.
    tail = [_write_signature(stage, its_queue) for stage, its_queue in reversed(rest)]
    if route.fork:
        tail.insert(0, _write_group(_write_signature(stage, its_queue) for stage, its_queue in route.fork))
    try:
        # No retry by the client: a broker that is away would hold the caller up, and the dispatcher sends
        # again.
        app.send_task(RUN_STAGE_TASK, args=(first,), queue=queue, chain=tail, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("stage %s was not sent to %s: %s", first, queue, type(error).__name__)
        return False
    return True


def send_routes(routes: Iterable[Route]) -> None:
    """Send each of ``routes``; what the broker does not take is sent again by the dispatcher."""
    for route in routes:
        send_route(route)


def _write_signature(stage: int, queue: str) -> dict[str, Any]:
    return {
        "task": RUN_STAGE_TASK,
        "args": (stage,),
        "kwargs": {},
        "options": {"queue": queue},
        "subtask_type": None,
        # Without this, Celery would pass the result of one task to the next as an argument.
        "immutable": True,
    }


def _write_group(branches: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "task": "celery.group",
        "args": (),
        "kwargs": {"tasks": list(branches)},
        "options": {},
        "subtask_type": "group",
        "immutable": True,
    }
