"""``python -m bench.limiter``: is the quota exact, is it used up, is it fast, even while processes die?

64 callers in 8 processes against 500,000 tokens, on a PostgreSQL of its own with every durability setting at
its default; then the same with processes killed (-9) during calls, PostgreSQL crashed and restarted, Redis
emptied, and the hour rolling over.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import redis

from bench import engine_arms, limiter_release
from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.peer_environments import PeerFailure, read_pinned_version, require_python, takes_part
from bench.private_postgres import Server, read_server_version, run_durable_postgres
from bench.scale import choose_size
from bench.simulated import read_counters, run_simulator
from orchestrator.dev import embedded

PEERS = Path(__file__).parent / "peers"
PROCESSES = choose_size(full=8, small=1)
THREADS = choose_size(full=8, small=4)
QUOTA = choose_size(full=500_000, small=20_000)
MOST_KILLS = choose_size(full=1000, small=1)
SPEED_RUNS = choose_size(full=3, small=1)
SPEED_SECONDS = choose_size(full=6.0, small=0.5)
MODULE = "bench.limiter_caller"
# One process for both, as each start of Django takes a second.
AUDIT = """
from django.core.management import call_command
from providers import limiter
limiter.acquire(limiter.ReservationRequest('google', 'm', 10**6, 0, 1))
call_command('audit_quota')
"""
GOALS: Goals = {
    "overshoot_tokens": at_most(0, exact=True),
    "utilisation": at_least(0.99),
    "phantom_tokens": at_most(0, exact=True),
    "pairs_per_s": at_least(500),
    "uncontended_pair_vs_update_p50": at_most(4),
    "release_ms_p95": at_most(250),
}


def main() -> int:
    """Run every part and write ``results/limiter.json``; 1 if a goal was missed."""
    with (
        run_durable_postgres() as server,
        embedded.run_valkey() as cache,
        tempfile.TemporaryDirectory() as folder,
    ):
        servers = engine_arms.Servers(server.url, cache, Path(folder))
        database = servers.require_migrated_database("limiter")
        os.environ.update({"DATABASE_URL": database, "REDIS_URL": cache, "SECRET_KEY": "bench"})
        results: dict[str, Any] = {
            "callers": PROCESSES * THREADS,
            "processes": PROCESSES,
            "quota_tokens": QUOTA,
        }
        results |= measure_exactness(Path(folder) / "calm")
        clear_ledger()
        results |= measure_under_faults(server, cache, Path(folder) / "chaos")
        clear_ledger()
        pairs = Path(folder) / "pairs"
        speeds = [measure_throughput(pairs, seconds=SPEED_SECONDS) for _ in range(SPEED_RUNS)]
        results |= {
            "pairs_per_s": statistics.median(speeds),
            "pairs_per_s_low": min(speeds),
            "pairs_per_s_high": max(speeds),
        }
        clear_ledger()
        results |= measure_uncontended()
        results |= limiter_release.measure_release(servers)
        if takes_part("litellm"):
            results |= measure_litellm(cache)
        results |= {"postgresql": read_server_version(server.url), "psycopg": psycopg.__version__}
    results["overshoot_tokens"] = max(results["overshoot_tokens_calm"], results["overshoot_tokens_chaos"])
    results["utilisation"] = min(results["utilisation_calm"], results["utilisation_chaos"])
    results["phantom_tokens"] = max(results["phantom_tokens_calm"], results["phantom_tokens_chaos"])
    write_results("limiter", results)
    return judge_results(results, GOALS)


def measure_exactness(tally: Path) -> dict[str, Any]:
    """Everybody calls until nothing is left."""
    started = time.monotonic()
    wait_for_callers(start_callers("spend", tally, seconds=120) for _ in range(PROCESSES))
    return read_outcome("calm", tally) | {"spend_seconds": round(time.monotonic() - started, 1)}


def measure_under_faults(server: Server, cache: str, tally: Path) -> dict[str, Any]:
    """The same under faults; a process that is killed is replaced, its open calls stay charged."""
    dice, kills, restarts, flushes = random.Random(7), 0, 0, 0
    running = [start_callers("spend", tally, seconds=120) for _ in range(PROCESSES)]
    hours = 0
    while any(one.poll() is None for one in running):
        time.sleep(choose_size(full=0.7, small=0.05))
        alive = [place for place, one in enumerate(running) if one.poll() is None]
        # During calls, so not before the first call has begun, nor when the last ones are about to end.
        in_the_middle = 0 < read_tally(tally) < QUOTA * 0.8
        if not (in_the_middle and alive) or kills == MOST_KILLS:
            continue
        place = dice.choice(alive)
        os.killpg(running[place].pid, signal.SIGKILL)
        running[place].wait()
        kills += 1
        if kills == min(2, MOST_KILLS):
            server.restart()
            restarts += 1
        redis.Redis.from_url(cache).flushall()
        flushes += 1
        hours += 1
        shift_clock(hours=min(hours, 3))
        running[place] = start_callers("spend", tally, seconds=120)
    wait_for_callers(running)
    shift_clock(hours=min(hours, 3), seconds=120)  # leases of the dead run out
    return read_outcome("chaos", tally) | {
        "kills": kills,
        "postgresql_crashes": restarts,
        "redis_flushes": flushes,
        "hours_rolled": min(hours, 3),
    }


def read_outcome(name: str, tally: Path) -> dict[str, Any]:
    """What "the provider" counted against the quota; what the counters hold that the ledger does not."""
    # The next reservation, which is refused, collects leases that have run out. The audit ends with an error
    # where the counters and the ledger differ.
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", AUDIT]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT day_tokens, reserved_tokens,"
            " (SELECT coalesce(sum(provider_charged_tokens(c)), 0) FROM providers_providercall c),"
            " (SELECT count(*) FROM providers_providercall WHERE status = 'unknown'),"
            " (SELECT coalesce(sum(reserved_tokens), 0) FROM providers_providercall WHERE status = 'unknown')"
            " FROM providers_providerstate WHERE provider = 'google'"
        ).fetchone()
    if row is None:
        raise RuntimeError("nothing was called")
    counted, reserved, ledger, unknown_calls, unknown_tokens = (int(value) for value in row)
    return {
        f"overshoot_tokens_{name}": max(0, read_tally(tally) - QUOTA, counted - QUOTA),
        f"utilisation_{name}": round(counted / QUOTA, 5),
        f"phantom_tokens_{name}": reserved + abs(counted - ledger),
        f"provider_tokens_{name}": read_tally(tally),
        f"unknown_calls_{name}": unknown_calls,
        f"unknown_tokens_{name}": unknown_tokens,
    }


def measure_litellm(cache: str) -> dict[str, Any]:
    """The same callers against the same quota through litellm's Router: its budget of a day, shared over
    Redis.
    """
    redis.Redis.from_url(cache).flushall()
    with run_simulator(latency="0.005-0.03") as urls:
        environment = {**os.environ, "OPENAI_BASE_URL": urls["OPENAI_BASE_URL"], "REDIS_URL": cache}
        argv = [
            str(require_python("litellm")),
            str(PEERS / "litellm_limiter.py"),
            str(THREADS),
            "120",
            str(QUOTA),
        ]
        running = [subprocess.Popen(argv, env=environment, start_new_session=True) for _ in range(PROCESSES)]
        if any(one.wait() for one in running):
            raise RuntimeError("a caller of litellm failed")
        tokens = int(read_counters(urls, "openai")["tokens"])
    # The callers ask until the budget refuses them. One that stopped earlier was measured for less.
    if tokens < 0.9 * QUOTA:
        raise PeerFailure(f"litellm's callers used {tokens} of {QUOTA} tokens")
    return {
        "litellm_overshoot_tokens": max(0, tokens - QUOTA),
        "litellm_utilisation": round(tokens / QUOTA, 5),
        "litellm": read_pinned_version("litellm"),
    }


def measure_throughput(tally: Path, *, seconds: float) -> float:
    """Pairs a second of all callers through one provider's limits."""
    running = [start_callers("pairs", tally, seconds=seconds) for _ in range(PROCESSES)]
    for one in running:
        require_pipe(
            one.stdout
        ).readline()  # each has loaded what it needs, which takes the processors from those that call
    for one in running:
        require_pipe(one.stdin).write("go\n")
        require_pipe(one.stdin).flush()
    return round(sum(int(one.communicate()[0]) for one in running) / seconds, 1)


def measure_uncontended() -> dict[str, Any]:
    """p50 of one pair over p50 of a single-row UPDATE, in turns, each durable, on the same server."""
    output = subprocess.run(
        [sys.executable, "-m", "bench.limiter_uncontended"], check=True, capture_output=True, text=True
    ).stdout
    return dict(json.loads(output))


def start_callers(mode: str, tally: Path, *, seconds: float) -> subprocess.Popen[str]:
    """A process group of callers."""
    argv = [sys.executable, "-m", MODULE, mode, str(THREADS), str(seconds), str(tally)]
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def require_pipe(end: IO[str] | None) -> IO[str]:
    """One that ``start`` has made."""
    if end is None:
        raise RuntimeError("not a pipe")
    return end


def wait_for_callers(running: Iterator[subprocess.Popen[str]] | list[subprocess.Popen[str]]) -> None:
    """For all of them."""
    for one in list(running):
        one.communicate()
        if one.returncode not in {0, -signal.SIGKILL}:
            raise RuntimeError(f"a caller ended with {one.returncode}")


def read_tally(tally: Path) -> int:
    """Tokens that reached "the provider"."""
    return sum(map(int, tally.read_text().split())) if tally.exists() else 0


def shift_clock(*, hours: int = 0, seconds: int = 0) -> None:
    """The limiter's clock ahead of the real one."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION provider_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
            f"'SELECT clock_timestamp() + make_interval(hours => {hours}, secs => {seconds})'"
        )


def clear_ledger() -> None:
    """Start from nothing, at the real time."""
    shift_clock()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("TRUNCATE providers_providercall, providers_providerstate, providers_budgetstate")


if __name__ == "__main__":
    raise SystemExit(main())
