"""Messages to the queues: Celery chains of the stages that follow, groups where the way forks, ids only.

A message is a hint. Losing it costs time, getting it twice costs a claim that loses; so a send that fails is
only logged, and the dispatcher sends again what stays unclaimed.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from orchestrator.celery import app
from orchestrator.flows.engine.routes import Route

RUN_STAGE_TASK = "flows.run_stage"
PREPARE_STAGE_TASK = "flows.prepare_stage"
MOST_WAITING: Final = 1000
"""Messages that wait to be sent from the web process; of more, the dispatcher sends those of stages."""
log = logging.getLogger(__name__)
_waiting: "queue.Queue[Callable[[], bool]] | None" = None


def send_in_background() -> None:
    """Send from a thread of its own from now on, so that no request waits for a broker that is away.

    For the web process. Called once, after any fork.
    """
    global _waiting  # noqa: PLW0603 - one sender to a process
    _waiting = queue.Queue(MOST_WAITING)
    threading.Thread(target=_send_waiting, args=(_waiting,), name="sender", daemon=True).start()


def _send_waiting(waiting: "queue.Queue[Callable[[], bool]]") -> None:
    while True:
        waiting.get()()


def send_route(route: Route) -> bool:
    """Send the first stage of ``route`` to its queue, and the others as its tail.

    False: the broker is away, or too much waits for it.
    """
    return _send(lambda: _send_route_now(route))


def send_preparation(flow_id: str, kind: str, its_queue: str) -> bool:
    """Have the stage ``kind`` of a flow prepared by a worker of ``its_queue``, where nothing waits there.

    False: it is not sent, and never again. The stage then does it itself.
    """
    return _send(lambda: _send_preparation_now(flow_id, kind, its_queue))


def _send(send_now: Callable[[], bool]) -> bool:
    if _waiting is None:
        return send_now()
    try:
        _waiting.put_nowait(send_now)
    except queue.Full:
        return False
    return True


def _send_preparation_now(flow_id: str, kind: str, its_queue: str) -> bool:
    try:
        with app.pool.acquire(block=True) as connection:
            # Behind other work it would come too late, and hold that up. The stubs take the connection for a
            # producer.
            channel = connection.default_channel  # type: ignore[attr-defined]
            if channel.client.llen(its_queue):
                return False
        app.send_task(PREPARE_STAGE_TASK, args=(flow_id, kind), queue=its_queue, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("%s of %s is not prepared: %s", kind, flow_id, type(error).__name__)
        return False
    return True


def _send_route_now(route: Route) -> bool:
    (first, its_queue), *rest = route.chain
    # What celery.chain() would put on the wire, without building and freezing its canvas: the tail, last
    # stage first.
    tail = [_write_signature(stage, name) for stage, name in reversed(rest)]
    if route.fork:
        tail.insert(0, _write_group(_write_signature(stage, name) for stage, name in route.fork))
    try:
        # No retry by the client: a broker that is away would hold the caller up, and the dispatcher sends
        # again.
        app.send_task(RUN_STAGE_TASK, args=(first,), queue=its_queue, chain=tail, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("stage %s was not sent to %s: %s", first, its_queue, type(error).__name__)
        return False
    return True


def send_routes(routes: Iterable[Route]) -> None:
    """Send each of ``routes``; what the broker does not take is sent again by the dispatcher."""
    for route in routes:
        send_route(route)


def _write_signature(stage: int, its_queue: str) -> dict[str, Any]:
    return {
        "task": RUN_STAGE_TASK,
        "args": (stage,),
        "kwargs": {},
        "options": {"queue": its_queue},
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
