"""A plugin for workers whose first process of the pool is killed before the worker has begun."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery.signals import worker_ready
from celery.worker.consumer import Consumer

from orchestrator.flows.worker.lost_children import list_children

STAGES: dict[str, Any] = {}
FLOW_TYPES: dict[str, Any] = {}


@worker_ready.connect(weak=False)
def kill_first_child(sender: Consumer, **_: object) -> None:
    """Kill it, and wait until the kernel says that it has ended."""
    worker: Any = sender.controller  # type: ignore[attr-defined]
    child = list_children(worker)[0]
    os.kill(child, signal.SIGKILL)
    while ") Z " not in Path(f"/proc/{child}/stat").read_text():
        time.sleep(0.01)
