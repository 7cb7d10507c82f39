"""One run of a stack under faults, and the runs that have to fail because a safeguard is missing."""

import contextlib
import heapq
import itertools
import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from tests.chaos import failpoints, invariants, recovery
from tests.chaos.faults import FAULTS, Heal, Scene, sequence
from tests.chaos.invariants import Verdict
from tests.chaos.servers import Broker, Postgres
from tests.chaos.stack import LEASE_SECONDS, Stack, environment
from tests.chaos.traffic import REPOS, Traffic
from tests.commands import run_management_command

TEMPLATE = "chaos_template"
REST_SECONDS = 180.0
# Of a run without a sweep, stages of a killed worker stay where they are: waiting longer shows nothing more.
SABOTAGE_REST_SECONDS = LEASE_SECONDS + 12.0
# What a call's lease, the look for calls without a worker, and the one for late costs take together.
SETTLE_SECONDS = 150.0
_UNSETTLED = """
SELECT 1 FROM providers_providercall WHERE status = 'reserved'
UNION ALL
SELECT 1 FROM flows_flow f WHERE f.cost_usd <> (
    SELECT COALESCE(sum(c.cost_usd), 0) FROM providers_providercall c WHERE c.flow_id = f.id)
LIMIT 1
"""
Tell = Callable[[str], None]


@dataclass
class Outcome:
    """What a run came to."""

    verdict: Verdict
    flows: int
    faults: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    restarts: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    backlog: int = 0
    recovery: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    token: str = ""


@contextlib.contextmanager
def running(
    postgres: Postgres, broker: Broker, name: str, logs: Path, **extra: str
) -> Iterator[tuple[Stack, str]]:
    """A stack on a database of its own; everything is stopped at the end."""
    broker.client.flushall()
    postgres.create(name, TEMPLATE)
    folder = logs / name
    folder.mkdir(parents=True)
    stack = Stack(postgres, name, broker, folder, **extra)
    try:
        stack.start()
        token = json.loads(stack.manage("local_access", *REPOS))["token"]
        yield stack, token
    finally:
        stack.stop()


def prepare(postgres: Postgres, broker: Broker, logs: Path) -> None:
    """Make the migrated database that every run gets a copy of."""
    logs.mkdir(parents=True, exist_ok=True)
    postgres.create(TEMPLATE)
    values = os.environ | environment(postgres.database(TEMPLATE), broker.url, 0, logs / "template")
    run_management_command(values, "migrate", "--skip-checks", "--verbosity", "0")
    postgres.prepare_full(TEMPLATE)


def main_run(
    postgres: Postgres,
    broker: Broker,
    logs: Path,
    *,
    flows: int,
    faults: int,
    backlog: int,
    seed: int,
    measure: int,
    tell: Tell,
) -> Outcome:
    """Submit flows and inject faults, then let it come to rest and judge it."""
    chance = random.Random(seed)
    begun = time.monotonic()
    with running(postgres, broker, "chaos_main", logs, CHAOS_SLOW_CANCEL_SECONDS="0.1") as (stack, token):
        traffic = Traffic(stack, token, random.Random(chance.getrandbits(64)))
        scene = Scene(stack, traffic, chance, _shuffled(failpoints.points(), chance))
        outcome = Outcome(Verdict(), 0)
        _measure(stack, traffic, outcome, measure, tell)
        if backlog:
            tell(f"a backlog of {backlog} flows, then FLUSHALL")
            outcome.backlog, seconds = recovery.backlog(stack, traffic, backlog)
            tell(f"{outcome.backlog} flows under way; recovery after flush broker: {seconds:.2f} s")
            outcome.recovery.setdefault("flushall", []).append(round(seconds, 3))
            outcome.faults["backlog, then flush"] += 1
        _inject(scene, sequence(faults, chance), flows - backlog, outcome, tell)
        traffic.stop()
        _rest(stack, REST_SECONDS + backlog / 5, tell, SETTLE_SECONDS)
        outcome.kills = len(stack.killed) + len(stack.fired())
        outcome.verdict = invariants.judge(stack, traffic.flows, traffic.errors, outcome.kills)
        outcome.flows, outcome.restarts = len(traffic.flows), dict(stack.restarts)
        outcome.fired = Counter(stack.fired())
    outcome.seconds = time.monotonic() - begun
    return outcome


def _shuffled(points: list[str], chance: random.Random) -> list[str]:
    chance.shuffle(points)
    return points


def _measure(stack: Stack, traffic: Traffic, outcome: Outcome, times: int, tell: Tell) -> None:
    kinds: dict[str, tuple[str, Callable[[Stack, Traffic], float]]] = {
        "worker_kill": ("kill worker", recovery.worker_kill),
        "flushall": ("flush broker", recovery.flushall),
        "postgres_restart": ("database restarted", recovery.postgres_restart),
    }
    for name, (fault, measured) in kinds.items():
        for _ in range(times):
            seconds = measured(stack, traffic)
            outcome.recovery.setdefault(name, []).append(round(seconds, 3))
            outcome.faults[fault] += 1
            tell(f"recovery after {fault}: {seconds:.2f} s")
            _rest(stack, 60, lambda _: None)


def _inject(scene: Scene, names: list[str], flows: int, outcome: Outcome, tell: Tell) -> None:
    """Faults in their order, at most three unhealed at once; flows keep pace with them."""
    heals: list[tuple[float, int, Callable[[], object]]] = []
    order, submitted, begun = itertools.count(), 0, len(scene.traffic.flows)
    feeder = _Feeder(scene.traffic)
    try:
        for number, name in enumerate(names, 1):
            submitted = len(scene.traffic.flows) - begun
            feeder.want(max(flows * number // len(names) + 20 - submitted, 0) if submitted < flows else 0)
            _heal(heals, until=lambda: len({at for at, *_ in heals}) < 3)
            tell(f"{number}/{len(names)} {name}")
            for after, heal in _attempt(scene, name, heals):
                heapq.heappush(heals, (time.monotonic() + after, next(order), heal))
            outcome.faults[name] += 1
            _wait(heals, scene.chance.uniform(0.2, 1.0))
        _heal(heals, until=lambda: not heals)
    finally:
        for _, _, heal in sorted(heals):
            with contextlib.suppress(OSError, psycopg.Error, redis.RedisError):
                heal()
        feeder.stop()
    scene.traffic.submit(max(flows - (len(scene.traffic.flows) - begun), 0))


def _attempt(scene: Scene, name: str, heals: list[tuple[float, int, Callable[[], object]]]) -> list[Heal]:
    """A fault may meet another one's: a broker that is away cannot be flushed.

    Then it waits until that is healed.
    """
    while True:
        try:
            return FAULTS[name][1](scene)
        except (psycopg.OperationalError, redis.RedisError):
            _wait(heals, 0.1)


def _heal(heals: list[tuple[float, int, Callable[[], object]]], until: Callable[[], bool]) -> None:
    while not until():
        _wait(heals, 0.05)


def _wait(heals: list[tuple[float, int, Callable[[], object]]], seconds: float) -> None:
    """Let time pass, and heal what is due."""
    end = time.monotonic() + seconds
    while True:
        while heals and heals[0][0] <= time.monotonic():
            _, order, heal = heapq.heappop(heals)
            try:
                heal()
            except (
                psycopg.OperationalError,
                redis.RedisError,
            ):  # another fault has it: once more, in a moment
                heapq.heappush(heals, (time.monotonic() + 0.2, order, heal))
        if time.monotonic() >= end:
            return
        time.sleep(0.02)


class _Feeder:
    """Submits from a thread of its own, so that faults do not wait for a web process that is down."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic, self._wanted, self._changed = traffic, 0, threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._feed, name="feeder", daemon=True)
        self._thread.start()

    def want(self, count: int) -> None:
        """So many more are to come."""
        self._wanted = count
        self._changed.set()

    def stop(self) -> None:
        """End after the flow that is being submitted."""
        self._ended = True
        self._changed.set()
        self._thread.join()

    def _feed(self) -> None:
        while not self._ended:
            if self._wanted > 0:
                self._traffic.submit(1)
                self._wanted -= 1
            else:
                self._changed.wait(0.1)
                self._changed.clear()


def _rest(stack: Stack, seconds: float, tell: Tell, settle_seconds: float = 10.0) -> int:
    """Wait until every flow has ended, then until the ledger is closed; the flows that have not ended."""
    end, last = time.monotonic() + seconds, -1
    while True:
        left = invariants.unfinished(stack)
        if left == 0 or time.monotonic() > end:
            break
        if left != last:
            tell(f"coming to rest: {left} flows to go")
        last = left
        time.sleep(0.2)
    # Late answers of attempts that have been fenced are settled still, a call of a lost worker is given up
    # when its lease runs out, and the cost of its flow follows within a minute.
    quiet = time.monotonic() + settle_seconds
    while time.monotonic() < quiet and stack.rows(_UNSETTLED):
        time.sleep(0.1)
    return left


def sabotage_run(
    postgres: Postgres, broker: Broker, logs: Path, what: str, *, flows: int, seed: int, tell: Tell
) -> Verdict:
    """A stack without one safeguard, under the faults that it is there for: the verdict must not be clean.

    Where ``what`` is empty, no safeguard is missing, and the verdict must be clean: the faults alone break
    nothing.
    """
    chance = random.Random(seed)
    tell(f"sabotage: without the {what}" if what else "the faults of the sabotage runs, without sabotage")
    extra = {"CHAOS_SLOW_CANCEL_SECONDS": "0.6"} | ({"CHAOS_SABOTAGE": what} if what else {})
    with running(postgres, broker, f"chaos_without_{what or 'nothing'}", logs, **extra) as (stack, token):
        traffic = Traffic(stack, token, chance)
        for scenario in [SABOTAGES[what]] if what else SABOTAGES.values():
            scenario(stack, traffic, flows)
        traffic.stop()
        _rest(stack, *((SABOTAGE_REST_SECONDS, tell) if what else (REST_SECONDS, tell, SETTLE_SECONDS)))
        kills = len(stack.killed) + len(stack.fired())
        return invariants.judge(stack, traffic.flows, traffic.errors, kills)


def _until(stack: Stack, query: str, params: list[object], least: int) -> None:
    """Wait until ``query`` counts at least so many; after a minute the scenario continues
    and finds nothing broken.
    """
    end = time.monotonic() + 60
    while stack.rows(query, params)[0][0] < least and time.monotonic() < end:
        time.sleep(0.05)


def _running_on(stack: Stack, pid: int, least: int) -> list[int]:
    """The last stages that a worker has in its hands, once there are so many."""
    held = "FROM flows_stage WHERE status = 'running' AND kind = 'close' AND worker LIKE %s"
    _until(stack, f"SELECT count(*) {held}", [f"%:{pid}:%"], least)
    return [row[0] for row in stack.rows(f"SELECT id {held}", [f"%:{pid}:%"])]


def _freeze_late_attempts(stack: Stack, traffic: Traffic, flows: int) -> None:
    """Workers freeze past their lease during a stage, another worker takes over, then they wake up."""
    taken_over = (
        "SELECT count(*) FROM flows_stage WHERE id = ANY(%s) AND status = 'running' AND worker NOT LIKE %s"
    )
    woken = []
    for _ in range(3):
        traffic.submit(flows // 3, "close: sleep 2", cancel=False)
        old = stack.running["control"].pid
        held = _running_on(stack, old, 3)
        stack.signal(old, signal.SIGSTOP)
        stack.again("control")
        _until(stack, taken_over, [held, f"%:{old}:%"], 1)
        stack.signal(old, signal.SIGCONT)
        woken.append(old)
    for old in woken:  # the next scenario wants one worker; they finish what they have
        stack.signal(old, signal.SIGTERM)


def _cancel_while_claimed(stack: Stack, traffic: Traffic, flows: int) -> None:
    """Flows wait at their last stage for a frozen worker; it wakes up while they are cancelled."""
    for _ in range(3):
        frozen = stack.kill("control", signal.SIGSTOP)
        made = traffic.submit(flows // 3, "", cancel=False)
        waiting = (
            "SELECT count(*) FROM flows_stage WHERE kind = 'close' AND status = 'ready' AND flow_id = ANY(%s)"
        )
        _until(stack, waiting, [[one.flow_id for one in made]], len(made) * 3 // 4)
        threads = [threading.Thread(target=traffic.cancel, args=(one,), daemon=True) for one in made]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        stack.signal(frozen, signal.SIGCONT)
        for thread in threads:
            thread.join()


def _kill_at_work(stack: Stack, traffic: Traffic, flows: int) -> None:
    """Workers die with stages in their hands."""
    for _ in range(3):
        traffic.submit(flows // 3, "close: sleep 1", cancel=False)
        _running_on(stack, stack.running["control"].pid, 2)
        stack.kill("control", group=True)


def _end_branches(stack: Stack, traffic: Traffic, flows: int) -> None:
    """Branches of different lengths meet. The guards of the database are taken away: they would refuse."""
    stack.execute("ALTER TABLE flows_stage DISABLE TRIGGER flows_stage_needs_passed")
    frozen = stack.kill("control", signal.SIGSTOP)
    traffic.submit(flows // 3, "scribe: sleep 0.5", cancel=False)
    time.sleep(3)
    stack.signal(frozen, signal.SIGCONT)
    traffic.submit(flows // 3, "judge: sleep 0.5", cancel=False)


SABOTAGES: dict[str, Callable[[Stack, Traffic, int], None]] = {
    "token": _freeze_late_attempts,
    "lock": _cancel_while_claimed,
    "sweep": _kill_at_work,
    "early": _end_branches,
    "twice": _end_branches,
}


def self_exits(logs: Path) -> Counter[str]:
    """How often a process ended by an error of its own, by the last line of its traceback."""
    found: Counter[str] = Counter()
    for log in logs.rglob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if match := re.search(r"(Unrecoverable error: \S+|^\S*Error: .{0,80}|crashed with \w+)", line):
                found[f"{log.stem}: {match[1][:100]}"] += 1
    return found
