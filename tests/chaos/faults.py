"""Every kind of fault: one function and one line in ``FAULTS``.

A fault happens at once and returns what heals it: pairs of seconds from now and a callable. Processes that
die are started again by the stack. Faults overlap: the next one does not wait for the healing of the last.
"""

import contextlib
import os
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.dev.stack import PROVIDERS
from tests.chaos import failpoints
from tests.chaos.stack import DISPATCHERS, LEASE_SECONDS, WORKERS, Stack
from tests.chaos.traffic import Traffic

HALF_OPEN = 500
HOSTILE = ('"password"', "sk-")
Heal = tuple[float, Callable[[], object]]


@dataclass
class Scene:
    """What a fault may use."""

    stack: Stack
    traffic: Traffic
    chance: random.Random
    points: list[str]

    @property
    def worker(self) -> str:
        """Any worker."""
        return self.chance.choice(WORKERS)


def _kill(name: str, *, group: bool = True) -> Callable[[Scene], list[Heal]]:
    def fault(scene: Scene) -> list[Heal]:
        scene.stack.kill(name if name else scene.worker, group=group)
        return []

    return fault


def _kill_dispatcher(scene: Scene) -> list[Heal]:
    scene.stack.kill(scene.chance.choice(DISPATCHERS))
    return []


def _kill_main_only(scene: Scene) -> list[Heal]:
    """The pool's children are orphans for a moment."""
    scene.stack.kill(scene.chance.choice(("gates", "web")))
    return []


def _kill_child(scene: Scene) -> list[Heal]:
    children = scene.stack.children_of("gates")
    if children:
        scene.stack.signal(scene.chance.choice(children), signal.SIGKILL)
    return []


def _terminate(scene: Scene) -> list[Heal]:
    scene.stack.kill(scene.chance.choice((*WORKERS, *DISPATCHERS, "web")), signal.SIGTERM)
    return []


def _freeze(name: str, seconds: float) -> Callable[[Scene], list[Heal]]:
    def fault(scene: Scene) -> list[Heal]:
        chosen = scene.chance.choice(DISPATCHERS) if name == "dispatcher" else name or scene.worker
        pid = scene.stack.kill(chosen, signal.SIGSTOP)
        return [(seconds, lambda: scene.stack.signal(pid, signal.SIGCONT))]

    return fault


def _freeze_child(scene: Scene) -> list[Heal]:
    children = scene.stack.children_of("gates")
    if not children:
        return []
    pid = scene.chance.choice(children)
    scene.stack.signal(pid, signal.SIGSTOP)
    return [(LEASE_SECONDS + 1.5, lambda: scene.stack.signal(pid, signal.SIGCONT))]


def _flush(scene: Scene) -> list[Heal]:
    scene.stack.broker.client.flushall()
    return []


def _backlog_and_flush(scene: Scene) -> list[Heal]:
    scene.traffic.submit(20)
    scene.stack.broker.client.flushall()
    return []


def _broker_restart(scene: Scene) -> list[Heal]:
    scene.stack.broker.kill()
    scene.stack.broker.start()
    return []


def _broker_away(scene: Scene) -> list[Heal]:
    os.kill(scene.stack.broker.pid, signal.SIGSTOP)
    pid = scene.stack.broker.pid
    return [(1.5, lambda: scene.stack.signal(pid, signal.SIGCONT))]


def _broker_full(scene: Scene) -> list[Heal]:
    scene.stack.broker.full(True)
    return [(1.0, lambda: scene.stack.broker.full(False))]


def _broker_failover(scene: Scene) -> list[Heal]:
    scene.stack.broker.demote(True)
    return [(scene.chance.uniform(1, 3), lambda: scene.stack.broker.demote(False))]


def _half_open_web(scene: Scene) -> list[Heal]:
    """Clients that begin a request and never end it."""
    held = []
    with contextlib.suppress(OSError):  # the web process was killed a moment ago
        for _ in range(HALF_OPEN):
            client = socket.create_connection(("127.0.0.1", scene.stack.port), timeout=5)
            held.append(client)
            client.sendall(b"POST /api/v1/flows/ HTTP/1.1\r\nX-Slow: ")
    return [(4.0, lambda: [client.close() for client in held])]


def _hostile_lines(scene: Scene) -> list[Heal]:
    """Lines that a pattern of the redaction may choke on, on a queue where everybody waits."""
    for seed in HOSTILE:
        scene.traffic.submit(1, f"scout: redact {seed}")
    return []


def _broker_half_open(scene: Scene) -> list[Heal]:
    scene.stack.proxy.stall()

    def heal() -> None:
        scene.stack.proxy.cut()
        scene.stack.proxy.flow()

    return [(scene.chance.uniform(1, 4), heal)]


def _broker_cut(scene: Scene) -> list[Heal]:
    scene.stack.proxy.cut()
    return []


def _sessions(scene: Scene) -> list[Heal]:
    scene.stack.postgres.cut_sessions(scene.stack.database)
    return []


def _database_restart(scene: Scene) -> list[Heal]:
    scene.stack.postgres.restart()
    return []


def _disk_full(scene: Scene) -> list[Heal]:
    scene.stack.postgres.fill(scene.stack.database, scene.chance.uniform(0.3, 1.5))
    return []


def _double(scene: Scene) -> list[Heal]:
    scene.traffic.submit(5)
    scene.stack.broker.double()
    return []


def _delay(scene: Scene) -> list[Heal]:
    taken = scene.stack.broker.take()
    return [(scene.chance.uniform(0.5, 3), lambda: scene.stack.broker.put(taken))]


def _reorder(scene: Scene) -> list[Heal]:
    scene.stack.broker.put(scene.stack.broker.take(), scene.chance)
    return []


def _wrong_clock(scene: Scene) -> list[Heal]:
    """One more worker, an hour ahead or behind of everybody."""
    hours = scene.chance.choice((-3600, 3600))
    name = f"clock{hours}"
    if name in scene.stack.running:
        return []
    argv = list(scene.stack.running["control"].argv)
    argv[argv.index("-Q") + 1] = "control,google"
    argv[argv.index("-n") + 1] = f"{name}@%h"
    scene.stack.launch(name, argv, CHAOS_CLOCK_SECONDS=str(hours))
    return [(8.0, lambda: scene.stack.drop(name))]


def _storm(behaviour: dict[str, object]) -> Callable[[Scene], list[Heal]]:
    def fault(scene: Scene) -> list[Heal]:
        provider = scene.chance.choice(PROVIDERS)
        calm = {"latency": [0.02, 0.12]}
        scene.stack.behave(provider, calm | {"faults": [behaviour]})
        return [(1.5, lambda: scene.stack.behave(provider, calm))]

    return fault


def _failpoint(scene: Scene) -> list[Heal]:
    """Arm the next point that nobody has died at yet; the first process that gets there dies."""
    point = scene.points.pop(0) if scene.points else scene.chance.choice(failpoints.points())
    scene.stack.armed(point).touch()
    script = "judge: repair 1" if point.startswith(("rounds", "locked", "store", "attempt")) else None
    scene.traffic.submit(1, "draft: park 0.2" if "_WAIT" in point else script, cancel=False)
    return [(6.0, lambda: _disarm(scene, point))]


def _disarm(scene: Scene, point: str) -> None:
    file = scene.stack.armed(point)
    if file.exists():
        file.unlink(missing_ok=True)
        scene.points.append(point)  # nobody came by: once more, later


def _new_version(scene: Scene) -> list[Heal]:
    """A deploy: workers first, then dispatchers and web; what is under way keeps its version."""
    scene.stack.version += 1
    steps: list[Heal] = []
    for number, name in enumerate((*WORKERS, *DISPATCHERS)):
        steps.append((0.5 * number, lambda name=name: scene.stack.retire(name)))  # type: ignore[misc]
    return [*steps, (0.5 * len(steps) + 2.5, lambda: scene.stack.kill("web", signal.SIGTERM))]


FAULTS: dict[str, tuple[int, Callable[[Scene], list[Heal]]]] = {
    # name: share of the faults, what it does
    "kill worker": (8, _kill("")),
    "kill pool child": (6, _kill_child),
    "kill main only": (3, _kill_main_only),
    "kill dispatcher": (6, _kill_dispatcher),
    "kill web": (3, _kill("web")),
    "kill simulator": (3, _kill("simulator")),
    "terminate": (5, _terminate),
    "freeze worker past its lease": (6, _freeze("", LEASE_SECONDS + 1.5)),
    "freeze pool child past its lease": (4, _freeze_child),
    "freeze dispatcher": (3, _freeze("dispatcher", 3.0)),
    "flush broker": (6, _flush),
    "backlog, then flush": (4, _backlog_and_flush),
    "broker restarted empty": (4, _broker_restart),
    "broker stopped": (3, _broker_away),
    "broker out of memory": (4, _broker_full),
    "broker failover": (4, _broker_failover),
    "half-open clients": (3, _half_open_web),
    "hostile lines": (3, _hostile_lines),
    "broker half-open": (3, _broker_half_open),
    "broker connections cut": (4, _broker_cut),
    "database sessions terminated": (6, _sessions),
    "database restarted": (4, _database_restart),
    "disk full": (5, _disk_full),
    "messages doubled": (8, _double),
    "messages delayed": (6, _delay),
    "messages reordered": (6, _reorder),
    "clock step": (2, _wrong_clock),
    "429 storm": (3, _storm({"kind": "rate_limit", "retry_after": 1})),
    "5xx storm": (3, _storm({"kind": "status", "status": 503})),
    "failpoint": (60, _failpoint),
    "rolling restart": (1, _new_version),
}


def sequence(count: int, chance: random.Random) -> list[str]:
    """So many faults, each kind at least once (where there is room), in a random order."""
    names = list(FAULTS)
    chosen = [
        *names,
        *chance.choices(names, weights=[FAULTS[name][0] for name in names], k=max(count - len(names), 0)),
    ]
    chance.shuffle(chosen)
    return chosen[:count]
