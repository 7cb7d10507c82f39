"""The peer of a flow that forks: a task, three side by side, and one after all of them, as a Celery chord
with results in Redis. Everything else is at its default.

``celery -A bench.peers.celery_chord worker`` works, ``python -m bench.peers.celery_chord`` drives.
"""

import os

import redis
from celery import Celery, chain, group
from kombu import Queue

from bench.peers.window import run_windowed, serve_requests

QUEUES = ("chord_a", "chord_b", "chord_c", "chord_d")
DONE = "chord:done"
app = Celery("chord", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(task_queues=[Queue(name) for name in QUEUES])
database = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.task(name="chord.step")
def step(flow: int) -> None:
    """Nothing."""


@app.task(name="chord.last")
def last(flow: int) -> None:
    """Nothing, and say so."""
    database.rpush(DONE, flow)


def start(flow: int) -> None:
    """Send one canvas: Celery makes a chord of the group and the task behind it."""
    branches = group(step.si(flow).set(queue=queue) for queue in QUEUES[:3])
    chain(step.si(flow).set(queue=QUEUES[0]), branches, last.si(flow).set(queue=QUEUES[3])).apply_async()


def run(count: int) -> dict[str, float]:
    """Canvases from outside, as a web process would send them."""
    database.delete(DONE)
    return run_windowed(count, start, lambda: int(database.llen(DONE)))


if __name__ == "__main__":
    serve_requests(run)
