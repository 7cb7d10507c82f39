"""A broker, workers and a dispatcher as processes, on the test's database; ended with everything that they
started.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import redis
from celery import Celery

from orchestrator.child_processes import ChildProcess
from orchestrator.dev import embedded
from orchestrator.dev.forking import Zygote
from orchestrator.flows.engine import broker
from orchestrator.flows.models import Stage
from tests.databases import url_of_test_database

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 120


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for ``condition``; fail with ``what`` when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            stages = Counter(Stage.objects.values_list("kind", "status", "crashes", "wait_reason"))
            pytest.fail(f"{what} did not come; stages: {stages}")
        time.sleep(0.02)


@cache
def start_zygote() -> Zygote:
    """What the processes of every stack of this run are forked from: each starts in 0.3 s, not in 4."""
    folder = tempfile.TemporaryDirectory(prefix="zygote-")
    zygote = Zygote(os.environ, Path(folder.name, "zygote.log"), ROOT)
    atexit.register(folder.cleanup)
    atexit.register(zygote.stop)
    return zygote


class Stack:
    """A broker, and the processes started on it. ``lease`` is what processes started from now on have, in
    seconds.
    """

    lease = "2"

    def __init__(self, logs: Path, environment: Mapping[str, str] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.logs, self.environment = logs, dict(environment or {})
        self.started: list[ChildProcess] = []
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.broker = self._start_broker()
        self.redis = redis.Redis.from_url(self.url)
        until(self._answers, "the broker")

    def _start_broker(self, *more: str) -> ChildProcess:
        program = embedded.find_valkey_program()
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", str(self.logs)]
        return self.start("broker", program, *options, *more)

    def restart_broker(self) -> None:
        """End the broker and start it again, empty."""
        self.broker.kill()
        self.broker.wait(10)
        self.broker = self._start_broker()
        until(self._answers, "the broker")

    def load_slowly(self) -> None:
        """End the broker and start it again with what it held, which takes it seconds to load."""
        with self.redis.pipeline() as pipeline:
            for number in range(2000):
                pipeline.set(f"ballast {number}", "x" * 100, ex=600)
            pipeline.execute()
        self.redis.save()
        self.broker.kill()
        self.broker.wait(10)
        # Microseconds for each key; between so many bytes it answers others.
        slow = ("--key-load-delay", "1500", "--loading-process-events-interval-bytes", "1024")
        self.broker = self._start_broker(*slow)
        until(self._answers, "the broker")
        os.remove(self.logs / "dump.rdb")

    def count_refusals(self, name: str) -> int:
        """How often the broker has answered with the error ``name`` since it started."""
        statistics: Any = self.redis.info("errorstats")
        return int(statistics.get(f"errorstat_{name}", {}).get("count", 0))

    def fail_over(self) -> None:
        """Make the broker a replica that refuses writes, and after a while the primary again."""
        self.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        time.sleep(2.5)
        self.redis.execute_command("REPLICAOF", "NO", "ONE")

    def refuse_writes(self) -> None:
        """Let the broker refuse writes for a while, as if its disk were full."""
        (self.logs / "dump.rdb").mkdir()
        self.redis.config_set("save", "3600 1")
        with suppress(redis.ResponseError):
            self.redis.bgsave()
        until(lambda: self.redis.info("persistence")["rdb_last_bgsave_status"] == "err", "the failed save")
        time.sleep(2.5)
        self.redis.config_set("save", "")

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def start(self, name: str, *command: str) -> ChildProcess:
        """Start a process of the stack in a group of its own; its output goes to a file of the test."""
        environment = os.environ | {
            "REDIS_URL": self.url,
            "DATABASE_URL": url_of_test_database(),
            "ENGINE_PLUGINS": "tests.flows.engine.plugin",
            "ENGINE_LEASE_SECONDS": self.lease,
            "ENGINE_BACKOFF_SECONDS": "0",
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "PYTHONPATH": str(ROOT),
            "ENGINE_SHUTDOWN_SECONDS": "3",
            **self.environment,
        }
        process: ChildProcess
        with (self.logs / f"{name}-{len(self.started)}.log").open("wb") as log:
            if command[0] == sys.executable:
                process = start_zygote().fork(name, command[1:], environment, log)
            else:
                process = subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
                )
        self.started.append(process)
        return process

    def worker(self, name: str, queues: str, pool: str = "threads") -> ChildProcess:
        """A Celery worker."""
        options = [
            "-Q",
            queues,
            "-P",
            pool,
            "-c",
            "2",
            "-n",
            f"{name}@%h",
            "--without-gossip",
            "--without-mingle",
        ]
        return self.start(name, sys.executable, "-m", "celery", "-A", "orchestrator", "worker", *options)

    def dispatcher(self) -> ChildProcess:
        """A dispatcher."""
        return self.start("dispatcher", sys.executable, "manage.py", "dispatcher")

    def stop(self) -> None:
        """End everything that was started, and nothing else."""
        for process in reversed(self.started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@contextmanager
def running(logs: Path, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A broker without workers; what this process sends goes there."""
    stack = Stack(logs, environment)
    sender = Celery("sender", broker=stack.url, set_as_current=False)
    sender.conf.task_queues = broker.app.conf.task_queues
    try:
        with patch.object(broker, "app", sender):
            yield stack
    finally:
        sender.close()
        stack.redis.close()
        stack.stop()
