"""One simulation of ``bench.capacity``: ``python -m bench.capacity_driver`` reads its plan from the standard
input and answers with one line of JSON.

Messages pass a list in memory in place of Redis, and a worker is a number of slots for each queue. Everything
else is the product: the runner of the workers, the engine, the limiter, the ledger, the steps of the
dispatcher. Where the dispatcher looks ten times a second in reality, it looks here when something may have
changed, and when capacity comes back.
"""

import json
import math
import os
import random
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from django.conf import settings  # noqa: E402 - Django comes first
from django.db import connection  # noqa: E402

from bench.capacity_causes import find_causes, name_key  # noqa: E402
from bench.capacity_clock import SimulatedTime  # noqa: E402
from bench.capacity_plugin import Simulated  # noqa: E402
from orchestrator.core import database  # noqa: E402
from orchestrator.flows import engine  # noqa: E402
from orchestrator.flows.engine import broker  # noqa: E402
from orchestrator.flows.engine.routes import Route  # noqa: E402
from orchestrator.flows.scheduler.dispatcher import Dispatcher  # noqa: E402
from orchestrator.flows.worker import runner  # noqa: E402
from orchestrator.queues import list_queues  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402
from providers import quota_report  # noqa: E402

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
LOOK_SECONDS: Final = 0.1
PROGRESS_SECONDS: Final = 20.0
# What waits, by the time at which it may continue its own, or by the provider that it waits for.
NEXT_DUE = """
SELECT waits_for AS provider, min(not_before) AS at, min(wait_tokens)::bigint AS tokens
FROM flows_stage WHERE status = 'waiting' AND not_before IS NOT NULL GROUP BY waits_for
"""
UNSENT = "SELECT EXISTS (SELECT 1 FROM flows_stage WHERE status = 'ready' AND sent_at IS NULL) AS yes"


@dataclass(frozen=True, slots=True)
class Plan:
    """Flows that arrive evenly at random in the working hours of so many working days."""

    flows: int
    repos: int
    days: int
    hours: float
    rest_days: float
    """How long is waited after the last arrival, in days."""
    most_seconds: float
    """The most real time that the simulation may take."""
    start: float
    url: str
    together: int = 1
    """How many flows arrive at one moment: side by side they take less real time."""
    seed: int = 15


@dataclass
class Simulation:
    """The processes of the deployment as far as they wait for each other."""

    plan: Plan
    clock: SimulatedTime
    dispatcher: Dispatcher
    slots: dict[str, int]
    repos: list[Repo]
    messages: dict[str, deque[int]] = field(default_factory=dict)
    next_look: float = math.inf
    created: int = 0
    messages_sent: int = 0
    looks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    began: float = field(default_factory=time.monotonic)
    told: float = 0.0

    def send_route(self, route: Route) -> bool:
        """What ``broker.send_route`` does, without a broker."""
        stage, queue = route.chain[0]
        with self.lock:
            self.messages_sent += 1
            self.messages.setdefault(queue, deque()).append(stage)
        self.clock.call_at(self.clock.now, lambda: self.serve(queue))
        return True

    def serve(self, queue: str) -> None:
        """Let the free slots of ``queue`` take the next messages."""
        waiting = self.messages.get(queue, deque())
        taken = [waiting.popleft() for _ in range(min(self.slots[queue], len(waiting)))]
        self.slots[queue] -= len(taken)
        self.clock.start_jobs([partial(self.work, queue, stage) for stage in taken])

    def work(self, queue: str, stage: int) -> None:
        """What a worker does with a message."""
        sleeps = self.clock.sleeps
        runner.run_stages(stage, has_tail=False)
        with self.lock:
            self.slots[queue] += 1
        self.clock.call_at(self.clock.now, lambda: self.serve(queue))
        # A call that has ended may have made room. One that was refused at once joins a line, which is looked
        # at when capacity comes back.
        if self.clock.sleeps != sleeps or self.next_look == math.inf:
            self.look_soon()

    def look_soon(self) -> None:
        """Have the dispatcher look at its next turn."""
        self._look_at(self.clock.now + LOOK_SECONDS)

    def _look_at(self, when: float) -> None:
        if when < self.next_look:
            self.next_look = when
            self.clock.call_at(when, self.look)

    def look(self) -> None:
        """One look of the dispatcher, where anything waits for one; the next when something may be due."""
        if self.clock.now < self.next_look:
            return
        self.next_look = math.inf
        due = database.fetch_rows(NEXT_DUE)
        if not due and not database.fetch_row(UNSENT).yes:
            return
        self.looks += 1
        dispatcher = self.dispatcher
        engine.release_due_stages()
        dispatcher._releaser.release()
        dispatcher._holds()
        dispatcher._send()
        self._plan_look()
        connection.close()

    def _plan_look(self) -> None:
        if self.dispatcher._full or database.fetch_row(UNSENT).yes:
            self.look_soon()
        for row in database.fetch_rows(NEXT_DUE):
            at = row.at
            if row.provider not in {"", "repo"}:
                hint = quota_report.admission_hint(row.provider, tokens=max(1, row.tokens))
                # Where it admits, but not the first in line, something has to end, which looks again.
                at = hint.at if hint.at is not None else datetime.fromtimestamp(self.clock.now + 60, UTC)
            self._look_at(max(at.timestamp(), self.clock.now + LOOK_SECONDS))

    def create_flows(self, numbers: Sequence[int]) -> None:
        """New flows, as the API creates them."""
        self.clock.start_jobs([partial(self.create_flow, number) for number in numbers])
        self.created += len(numbers)
        if self.dispatcher._full:
            self.look_soon()

    def create_flow(self, number: int) -> None:
        """One of them."""
        engine.create(self.repos[number % len(self.repos)], str(number), flow_type="capacity")
        connection.close()

    def is_over(self) -> bool:
        """Whether the real time is up; tells how far it is, now and then."""
        spent = time.monotonic() - self.began
        if spent > self.told + PROGRESS_SECONDS:
            self.told = spent
            day = (self.clock.now - self.clock.start) / DAY
            line = f"    {spent:.0f} s: {self.created} flows created, day {day:.2f}, {self.looks} looks\n"
            sys.stderr.write(line)
            sys.stderr.flush()
        return spent > self.plan.most_seconds


def draw_arrivals(plan: Plan) -> list[float]:
    """The moments of all flows, sorted: in the working hours of the days from Monday to Friday."""
    chance = random.Random(plan.seed)
    moments = []
    for _ in range(plan.flows):
        day = chance.randrange(plan.days)
        calendar_day = day // 5 * 7 + day % 5
        moments.append(plan.start + calendar_day * DAY + chance.random() * plan.hours * HOUR)
    return sorted(moments)


def simulate(plan: Plan) -> dict[str, Any]:
    """Run the plan; what the database says afterwards."""
    slots = {queue: settings.QUEUE_SLOTS[queue] for queue in list_queues()}
    clock = SimulatedTime(plan.url, plan.start, threads=sum(slots.values()) + plan.together + 4)
    Simulated.sleep = clock.sleep
    Repo.objects.bulk_create(Repo(name=f"repo-{number:04}") for number in range(plan.repos))
    repos = list(Repo.objects.order_by("name"))
    dispatcher = Dispatcher()
    if not dispatcher._lead():
        raise RuntimeError("another dispatcher leads")
    simulation = Simulation(plan, clock, dispatcher, dict(slots), repos)
    broker.send_route = simulation.send_route
    broker.send_preparation = lambda *_: False
    arrivals = draw_arrivals(plan)
    for first in range(0, len(arrivals), plan.together):
        numbers = range(first, min(first + plan.together, len(arrivals)))
        clock.call_at(arrivals[numbers[-1]], partial(simulation.create_flows, numbers))
    before = read_counters()
    clock.run(arrivals[-1] + plan.rest_days * DAY, stop=simulation.is_over)
    return measure(plan, simulation, before)


COUNTERS = """
SELECT xact_commit AS transactions, pg_database_size(current_database()) AS bytes,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal
FROM pg_stat_database WHERE datname = current_database()
"""
ENDED = """
SELECT status, extract(epoch FROM coalesce(finished_at, %(now)s) - created_at)::float8 AS seconds,
    cost_usd::float8 AS usd, error_code
FROM flows_flow
"""
# How long each stage was in each state, and why it waited: from an event to the next one of the same stage.
TIMES = """
SELECT kind, queue, reason, sum(seconds)::float8 AS seconds, count(*) AS times
FROM (
    SELECT e.kind, s.queue,
        CASE WHEN e.kind = 'stage.waiting' THEN e.data ->> 'reason' ELSE '' END AS reason,
        extract(epoch FROM coalesce(
            lead(e.created_at) OVER (PARTITION BY e.stage_id ORDER BY e.id), %(now)s
        ) - e.created_at) AS seconds
    FROM flows_flowevent e JOIN flows_stage s ON s.id = e.stage_id
    WHERE e.kind IN ('stage.ready', 'stage.started', 'stage.waiting', 'stage.passed', 'stage.failed',
        'stage.skipped', 'stage.repair')
) spans
WHERE kind IN ('stage.ready', 'stage.started', 'stage.waiting')
GROUP BY 1, 2, 3
"""
CALLS = """
SELECT provider, count(*) AS calls,
    sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))::bigint AS tokens
FROM providers_providercall WHERE status = 'settled' GROUP BY provider
"""


def read_counters() -> Any:
    """What the server has counted for this database; its own statistics come a moment late."""
    database.fetch_rows("SELECT pg_stat_force_next_flush()")
    time.sleep(1.2)
    return database.fetch_row(COUNTERS)


def measure(plan: Plan, simulation: Simulation, before: Any) -> dict[str, Any]:
    """The figures of one simulation."""
    after = read_counters()
    now = datetime.fromtimestamp(simulation.clock.now, UTC)
    flows = database.fetch_rows(ENDED, {"now": now})
    passed = [row for row in flows if row.status == "passed"]
    seconds = [row.seconds for row in flows]
    made = max(1, len(flows))
    causes = find_causes(database.fetch_rows(TIMES, {"now": now}))
    waits = sum(value for cause, value in causes.items() if cause != "models and gates")
    worst = max(causes, key=lambda cause: causes[cause])
    days = (simulation.clock.now - plan.start) / DAY
    spent = time.monotonic() - simulation.began
    calls = database.fetch_rows(CALLS)
    real = simulation.clock.real_seconds
    return {
        "bound_by": worst,
        "database_bytes_per_flow": round((after.bytes - before.bytes) / made),
        "days_simulated": round(days, 2),
        "flows": len(flows),
        "flows_failed": sum(row.status == "failed" for row in flows),
        "flows_passed": len(passed),
        "flows_unfinished": sum(row.status not in {"passed", "failed", "cancelled"} for row in flows),
        "messages_per_flow": round(simulation.messages_sent / made, 2),
        "p50_latency_s": round(statistics.median(seconds), 1),
        "p95_latency_s": round(statistics.quantiles(seconds, n=20)[-1], 1),
        "own_seconds_per_flow": round(real / made, 4),
        "own_time_share_of_one_core": round(real / max(1.0, simulation.clock.now - plan.start), 4),
        "real_seconds": round(spent, 1),
        "repos": plan.repos,
        "stopped_early": spent > plan.most_seconds,
        "success_rate": round(len(passed) / made, 4),
        "transactions_per_flow": round((after.transactions - before.transactions) / made, 1),
        "usd_per_flow": round(statistics.mean([row.usd for row in passed or flows]), 4),
        "wait_share": round(waits / max(1.0, sum(causes.values())), 4),
        "wal_bytes_per_flow": round((after.wal - before.wal) / made),
        **{f"calls_{row.provider}": row.calls for row in calls},
        **{f"tokens_{row.provider}": int(row.tokens) for row in calls},
        **{f"seconds_{name_key(cause)}": round(value) for cause, value in causes.items() if value >= 0.5},
    }


def answer_plan() -> None:
    """Read a plan, simulate it, answer."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    sys.stdout.write(json.dumps(simulate(plan)) + "\n")
    sys.stdout.flush()
    # Threads of the pool may still hold connections; nothing is left to do in them.
    os._exit(0)


if __name__ == "__main__":
    answer_plan()
