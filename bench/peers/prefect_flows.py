"""Prefect 3: a flow of four no-op tasks, called in this process, its states kept by a server of its own.

Own environment.
"""

import logging
import os
import sys

from prefect import flow, task

from bench.peers.window import run_pooled, serve_requests

THREADS = int(os.environ.get("THREADS", "16"))
logging.disable(logging.WARNING)


@task
def step() -> None:
    """Nothing."""


@flow
def steps() -> None:
    """Four tasks, one after the other."""
    for _ in range(4):
        step()


if __name__ == "__main__":
    sys.stdout, out = sys.stderr, sys.stdout  # it prints as it likes; standard output is the driver's
    sys.stdout = out
    serve_requests(lambda count: run_pooled(count, min(THREADS, 8), steps))
