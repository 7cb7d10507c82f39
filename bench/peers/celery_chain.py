"""The bare peer: a chain of four no-op tasks on Celery and the broker, no results, nothing kept, everything
else at its default.

``celery -A bench.peers.celery_chain worker`` works, ``python -m bench.peers.celery_chain`` drives.
"""

import os

import redis
from celery import Celery, chain
from kombu import Queue

from bench.peers.window import run_windowed, serve_requests

QUEUES = ("bare_a", "bare_b", "bare_c", "bare_d")
DONE = "bare:done"
app = Celery("bare", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, task_queues=[Queue(name) for name in QUEUES])
database = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.task(name="bare.step")
def step(flow: int) -> None:
    """Nothing."""


@app.task(name="bare.last")
def last(flow: int) -> None:
    """Nothing, and say so."""
    database.rpush(DONE, flow)


def start(flow: int) -> None:
    """Send one chain."""
    steps = [(last if queue == QUEUES[-1] else step).si(flow).set(queue=queue) for queue in QUEUES]
    chain(*steps).apply_async()


def run(count: int) -> dict[str, float]:
    """Chains from outside, as a web process would send them."""
    database.delete(DONE)
    return run_windowed(count, start, lambda: int(database.llen(DONE)))


if __name__ == "__main__":
    serve_requests(run)
