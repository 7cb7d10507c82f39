"""Messages while every process is killed again and again: none may be lost, none may be acted on twice.

A writer writes messages, each in a transaction of its own, to Slack, PagerDuty and a webhook. Meanwhile
writer, workers, dispatcher and broker are killed with SIGKILL in turn, and PostgreSQL is stopped as by a
crash. The far sides are loopback servers: Slack has no key of its own and counts every message, PagerDuty
merges by its key, the webhook drops ids that it knows.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from bench import engine_arms as arms
from bench.ops_notifications_plan import SUBSCRIPTION
from bench.private_postgres import Server
from bench.scale import choose_size
from orchestrator import child_processes
from orchestrator.dev import embedded
from orchestrator.dev.receivers import Receivers
from orchestrator.ops.notifications.webhook_secret import derive_secret

EVENTS = choose_size(full=1000, small=12)
ROUNDS = choose_size(full=4, small=0)
"""How often each process is killed."""
PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = choose_size(full=900.0, small=120.0)
_LEFT = "SELECT count(*) FROM notifications_notification WHERE status IN ('waiting', 'sending')"
_WRITTEN = "SELECT count(*) FROM notifications_notification"


@dataclass
class Crowd:
    """The processes, by name, each started again as soon as it has been killed."""

    environment: dict[str, str]
    folder: Path
    commands: dict[str, list[str]]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def start(self, name: str) -> None:
        """Start it, again or for the first time."""
        with (self.folder / f"notifications-{name}.log").open("ab") as log:
            self.running[name] = child_processes.start(
                self.commands[name],
                death_signal=signal.SIGKILL,
                environment=self.environment,
                output=log,
                cwd=arms.BENCH.parent,
            )

    def kill(self, name: str) -> None:
        """SIGKILL, to it and its children."""
        process = self.running[name]
        # A writer that is done has ended by itself, and stays so.
        if process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.kills[name] += 1
        self.start(name)

    def stop(self) -> None:
        """End all."""
        for process in self.running.values():
            child_processes.stop(process, grace_seconds=1)


def compose_commands(port: int) -> dict[str, list[str]]:
    """Broker first: the others look for it."""
    worker = [sys.executable, "-m", "celery", "-A", "orchestrator", "worker", "-l", "INFO", "-Q", "control"]
    worker += ["-P", "threads", "-c", "4", "--without-gossip", "--without-mingle"]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    # One worker in the small form, where it only has to work.
    second = choose_size(full={"two": [*worker, "-n", "two@%h"]}, small={})
    return {
        "broker": [embedded.find_valkey_program(), *options],
        "one": [*worker, "-n", "one@%h"],
        **second,
        "dispatcher": [sys.executable, "manage.py", "dispatcher"],
        "writer": [sys.executable, "-m", "bench.ops_notifications_writer", str(EVENTS)],
    }


def measure_notifications(server: Server, _: str, folder: Path) -> dict[str, Any]:
    """The figures of this part."""
    servers = arms.Servers(server.url, "", folder)
    database = servers.require_migrated_database("notifications")
    port = embedded.find_free_port()
    with Receivers() as receivers:
        environment = compose_settings(database, port, receivers)
        crowd = Crowd(environment, folder, compose_commands(port))
        try:
            began = time.monotonic()
            for name in crowd.commands:
                crowd.start(name)
            kill_in_turn(crowd, server)
            wait_until(lambda: count(database, _WRITTEN) >= EVENTS, "all are written")
            wait_until(lambda: count(database, _LEFT) == 0, "all are sent")
            seconds = time.monotonic() - began
        finally:
            crowd.stop()
        return describe(receivers, crowd, database, seconds)


def compose_settings(database: str, port: int, receivers: Receivers) -> dict[str, str]:
    """What every process is started with."""
    receivers.received.webhook_secret = derive_secret(SUBSCRIPTION)
    return {
        **os.environ,
        "DATABASE_URL": database,
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        "PYTHONPATH": str(arms.BENCH.parent),
        # The secret of the webhook follows from it.
        "SECRET_KEY": settings.SECRET_KEY,
        "SLACK_API_URL": f"{receivers.url}/slack/api",
        "SLACK_BOT_TOKEN": "xoxb-of-the-benchmark",
        "PAGERDUTY_EVENTS_URL": f"{receivers.url}/pagerduty/v2/enqueue",
        "PAGERDUTY_ROUTING_KEY": "bench",
        "WEBHOOK_URL": f"{receivers.url}/signed-webhook",
        "CLONE_PRIVATE_HOSTS": "127.0.0.1",
        # The throttle has tests of its own; here it would only make the run longer.
        "NOTIFICATIONS_PER_MINUTE": "100000",
        "NOTIFICATION_LOST_SECONDS": "15",
    }


def kill_in_turn(crowd: Crowd, server: Server) -> None:
    """Kill each process ``ROUNDS`` times, and stop the database as a crash does once in every round."""
    for _ in range(ROUNDS):
        for name in crowd.commands:
            time.sleep(PAUSE_SECONDS)
            crowd.kill(name)
        time.sleep(PAUSE_SECONDS)
        server.restart()
        crowd.kills["postgresql"] += 1


def count(database: str, query: str) -> int:
    """A number of the database; -1 while it is away or not migrated."""
    try:
        with psycopg.connect(database) as connection:
            row = connection.execute(query).fetchone()
    except psycopg.Error:
        return -1
    return -1 if row is None else int(row[0])


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait; raises ``RuntimeError`` where it takes too long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(0.2)


def describe(receivers: Receivers, crowd: Crowd, database: str, seconds: float) -> dict[str, Any]:
    """What the far sides got, compared with what was written."""
    received = receivers.received
    slack = Counter(message["text"] for message in received.slack_messages)
    pages = {page["payload"]["summary"] for page in received.pages.values()}
    hooks = Counter(str(body["data"]["number"]) for body in received.signed.values())
    # In the order in which the writer takes turns.
    got = [slack, Counter(pages), hooks]
    lost = sum(not got[number % len(got)][str(number)] for number in range(EVENTS))
    doubled = sum(times - 1 for found in got for times in found.values())
    return {
        "notifications": EVENTS,
        "notifications_lost": lost,
        "notifications_doubled": doubled,
        "notifications_given_up": count(database, f"{_WRITTEN} WHERE status = 'given_up'"),
        # What keys of the far sides have absorbed: sent again, acted on once.
        "notifications_repeats_dropped": received.repeats
        + sum(len(page["events"]) - 1 for page in received.pages.values()),
        "notifications_kills": sum(crowd.kills.values()),
        "notifications_seconds": round(seconds),
    }
