"""How long it takes until work continues: one fault at a time, and nothing else happens."""

import signal
import time
from collections.abc import Callable

from tests.chaos import invariants
from tests.chaos.stack import LEASE_SECONDS, WORKERS, Stack
from tests.chaos.traffic import Traffic

WORKER_KILL_SECONDS = LEASE_SECONDS + 1.0
FLUSHALL_SECONDS = 2.0
POSTGRES_RESTART_SECONDS = 5.0
_SENT = "SELECT id FROM flows_stage WHERE status = 'ready' AND sent_at IS NOT NULL"
_SLEEPERS = {"gates": "judge: sleep 1.5", "control": "close: sleep 1.5"}


class NoRecovery(Exception):
    """Work did not continue in time to be measured."""


def _until(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NoRecovery(what)
        time.sleep(0.01)


def worker_kill(stack: Stack, traffic: Traffic, name: str = "control") -> float:
    """Seconds from a kill -9 until the last stage in the worker's hands was given back."""
    traffic.submit(6, _SLEEPERS[name], cancel=False)
    running = "SELECT count(*) FROM flows_stage WHERE status = 'running' AND queue = %s AND worker LIKE %s"
    # A prefork pool's children have the stages, and each its own pid.
    pids = [stack.running[name].pid, *stack.children_of(name)]
    _until(
        lambda: any(stack.rows(running, [name, f"%:{pid}:%"])[0][0] for pid in pids),
        60,
        f"no stage was running on {name}",
    )
    killed = time.time()
    stack.kill(name, signal.SIGKILL, group=True)
    held = f"({'|'.join(map(str, pids))})"
    query = """SELECT count(*) FILTER (WHERE outcome = 'running'),
            extract(epoch FROM max(finished_at))::float8
        FROM flows_attempt WHERE worker ~ %s AND (outcome = 'running' OR finished_at > to_timestamp(%s))"""
    found = [(1, 0.0)]

    def given_back() -> bool:
        found[0] = stack.rows(query, [f":{held}:", killed])[0]
        return found[0][0] == 0

    _until(given_back, 60, "the stages of a killed worker did not come back")
    return max((found[0][1] or killed) - killed, 0.0)


def flushall(stack: Stack, traffic: Traffic) -> float:
    """Seconds from FLUSHALL until every stage whose message it took was sent again or has started."""
    frozen = [stack.kill(name, signal.SIGSTOP) for name in WORKERS if name != "gates"]
    try:
        traffic.submit(40, cancel=False)
        return _flush(stack)
    finally:
        for pid in frozen:
            stack.signal(pid, signal.SIGCONT)


def backlog(stack: Stack, traffic: Traffic, flows: int) -> tuple[int, float]:
    """Hold everything, submit ``flows``, let them go and FLUSHALL at once; how many had not ended then, and
    ``flushall``'s seconds.
    """
    stack.manage(
        "shell", "-c", "from orchestrator.flows import engine; engine.hold('everything', reason='chaos')"
    )
    traffic.submit(flows, cancel=False)
    stack.rows("DELETE FROM flows_hold RETURNING id")  # not by a command, whose end takes longer than a flow
    _until(lambda: stack.rows(_SENT), 60, "no stage of a backlog was sent")
    waiting = invariants.unfinished(stack)
    return waiting, _flush(stack)


def _flush(stack: Stack) -> float:
    taken = [row[0] for row in stack.rows(_SENT)]
    flushed = time.time()
    stack.broker.client.flushall()
    resent = """SELECT extract(epoch FROM max(sent_at))::float8 FROM flows_stage
        WHERE id = ANY(%s) AND status = 'ready' AND sent_at > to_timestamp(%s)"""
    left = """SELECT count(*) FROM flows_stage
        WHERE id = ANY(%s) AND status = 'ready' AND (sent_at IS NULL OR sent_at < to_timestamp(%s))"""
    _until(
        lambda: stack.rows(left, [taken, flushed])[0][0] == 0,
        60,
        "not everything was sent again after FLUSHALL",
    )
    return max((stack.rows(resent, [taken, flushed])[0][0] or flushed) - flushed, 0.0)


def postgres_restart(stack: Stack, traffic: Traffic) -> float:
    """Seconds from an immediate stop of the server until a stage ends again."""
    traffic.submit(40, cancel=False)
    newest = stack.rows("SELECT COALESCE(max(id), 0) FROM flows_flowevent")[0][0]
    stopped = time.time()
    stack.postgres.restart()
    query = """SELECT extract(epoch FROM min(created_at))::float8 FROM flows_flowevent
        WHERE id > %s AND kind = 'stage.passed' AND created_at > to_timestamp(%s)"""
    _until(lambda: stack.rows(query, [newest, stopped + 0.1])[0][0], 60, "no stage passed after the restart")
    return float(stack.rows(query, [newest, stopped + 0.1])[0][0]) - stopped
