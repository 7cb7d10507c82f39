"""DBOS: a workflow of four no-op steps. ``direct`` calls it in this process, ``worker`` takes it from the
queue of ``client``. ``forked`` calls one of five steps, three of them side by side, in this process.

Runs in an environment of its own. The queue is polled every 10 ms in place of every second: its default would
say more about the pause than about the engine.
"""

import asyncio
import os
import sys
import time
from itertools import count as numbers

import psycopg
from dbos import DBOS, DBOSClient

from bench.peers.window import run_pooled, run_windowed, serve_requests, write_answer

QUEUE, THREADS = "flows", int(os.environ.get("THREADS", "16"))
URL = os.environ["DATABASE_URL"]
COUNT = """
SELECT count(*) FROM dbos.workflow_status
WHERE workflow_uuid >= %s AND workflow_uuid < %s AND status = 'SUCCESS'
"""


@DBOS.step()
def step() -> float:
    """When it ran."""
    return time.time()


@DBOS.workflow()
def flow() -> float:
    """Four steps, one after the other."""
    for _ in range(4):
        at = step()
    return at


@DBOS.step()
async def branch() -> float:
    """When it ran."""
    return time.time()


@DBOS.workflow()
async def forked() -> float:
    """One step, three side by side, and one after all of them."""
    await branch()
    await asyncio.gather(branch(), branch(), branch())
    return await branch()


def launch(executor: str) -> None:
    """Become an executor of the application."""
    config = {
        "name": "bench",
        "system_database_url": URL,
        "log_level": "ERROR",
        "executor_id": executor,
        "application_version": "1",
    }
    DBOS(config=config)
    DBOS.launch()


def client() -> None:
    """Enqueue from outside, and count what has ended."""
    to, runs = DBOSClient(system_database_url=URL), numbers(time.time_ns())
    with psycopg.connect(URL, autocommit=True) as connection:

        def run(count: int) -> dict[str, float]:
            prefix = f"run{next(runs)}"

            def start(number: int) -> None:
                to.enqueue(
                    {"workflow_name": "flow", "queue_name": QUEUE, "workflow_id": f"{prefix}-{number}"}
                )

            def finished() -> int:
                row = connection.execute(COUNT, [f"{prefix}-", f"{prefix}."]).fetchone()
                return int(row[0]) if row else 0

            return run_windowed(count, start, finished)

        serve_requests(run)


def work() -> None:
    """Take from the queue until standard input ends."""
    DBOS.register_queue(QUEUE, worker_concurrency=2 * THREADS, polling_interval_sec=0.01)
    write_answer({"ready": True})
    sys.stdin.read()


if __name__ == "__main__":
    mode = sys.argv[1]
    if mode == "client":
        client()
    launch(sys.argv[2])
    if mode == "worker":
        work()
    if mode == "forked":
        serve_requests(lambda count: run_pooled(count, THREADS, lambda: asyncio.run(forked())))
    serve_requests(lambda count: run_pooled(count, THREADS, flow))
