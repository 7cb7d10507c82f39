"""``python -m bench.limiter``: is the quota exact, is it used up, is it fast, whatever is killed meanwhile?

64 callers in 8 processes against 500,000 tokens, on a PostgreSQL of its own with every durability setting at its default;
then the same with processes killed (-9) in mid call, PostgreSQL crashed and restarted, Redis emptied, and the hour rolling over.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg
import redis

from bench import goals, limiter_release
from bench.cost import peer_python
from bench.private_postgres import Server, postgres, version
from bench.simulated import simulator
from orchestrator.dev import embedded

PEERS = Path(__file__).parent / "peers"
PROCESSES, THREADS, QUOTA = 8, 8, 500_000
MODULE = "bench.limiter_caller"
GOALS: goals.Goals = {
    "overshoot_tokens": ("<=", 0),
    "utilisation": (">=", 0.99),
    "phantom_tokens": ("<=", 0),
    "pairs_per_s": (">=", 500),
    "uncontended_pair_vs_update_p50": ("<=", 4),
    "release_ms_p95": ("<=", 250),
}


def main() -> int:
    """Run every part and write ``results/limiter.json``; 1 if a goal was missed."""
    with postgres() as server, embedded.run_valkey() as cache, tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DATABASE_URL": server.url, "REDIS_URL": cache, "SECRET_KEY": "bench"}
        os.environ.update(environment)
        manage("migrate", "-v", "0")
        results: dict[str, Any] = {
            "callers": PROCESSES * THREADS,
            "processes": PROCESSES,
            "quota_tokens": QUOTA,
        }
        results |= exactness(Path(folder) / "calm")
        wipe(server)
        results |= chaos(server, cache, Path(folder) / "chaos")
        wipe(server)
        speeds = sorted(throughput(Path(folder) / "pairs", seconds=6) for _ in range(3))
        results |= {"pairs_per_s": speeds[1], "pairs_per_s_low": speeds[0], "pairs_per_s_high": speeds[2]}
        wipe(server)
        results |= uncontended()
        results |= limiter_release.measure(server.url, cache, Path(folder))
        results |= litellm(cache)
        results |= {"postgresql": version(server.url), "psycopg": psycopg.__version__}
    results["overshoot_tokens"] = max(results["overshoot_tokens_calm"], results["overshoot_tokens_chaos"])
    results["utilisation"] = min(results["utilisation_calm"], results["utilisation_chaos"])
    results["phantom_tokens"] = max(results["phantom_tokens_calm"], results["phantom_tokens_chaos"])
    goals.write("limiter", results)
    return goals.report(results, GOALS)


def exactness(tally: Path) -> dict[str, Any]:
    """Everybody calls until nothing is left."""
    started = time.monotonic()
    wait(start("spend", tally, seconds=120) for _ in range(PROCESSES))
    return ended("calm", tally) | {"spend_seconds": round(time.monotonic() - started, 1)}


def chaos(server: Server, cache: str, tally: Path) -> dict[str, Any]:
    """The same under faults; a process that is killed is replaced, its open calls stay charged."""
    dice, kills, restarts, flushes = random.Random(7), 0, 0, 0
    running = [start("spend", tally, seconds=120) for _ in range(PROCESSES)]
    hours = 0
    while any(one.poll() is None for one in running):
        time.sleep(0.7)
        alive = [place for place, one in enumerate(running) if one.poll() is None]
        if used(tally) > QUOTA * 0.8 or not alive:
            continue
        place = dice.choice(alive)
        os.killpg(running[place].pid, signal.SIGKILL)
        running[place].wait()
        kills += 1
        if kills == 2:
            server.restart()
            restarts += 1
        redis.Redis.from_url(cache).flushall()
        flushes += 1
        hours += 1
        turn_clock(server, hours=min(hours, 3))
        running[place] = start("spend", tally, seconds=120)
    wait(running)
    turn_clock(server, hours=min(hours, 3), seconds=120)  # leases of the dead run out
    return ended("chaos", tally) | {
        "kills": kills,
        "postgresql_crashes": restarts,
        "redis_flushes": flushes,
        "hours_rolled": min(hours, 3),
    }


def ended(name: str, tally: Path) -> dict[str, Any]:
    """What "the provider" counted against the quota; what the counters hold that the ledger does not."""
    manage(
        "shell",
        "-v",
        "0",
        "-c",
        "from providers import limiter; limiter.acquire(limiter.ReservationRequest('google', 'm', 10**6, 0, 1))",
    )
    manage("audit_quota")
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT day_tokens, reserved_tokens, (SELECT coalesce(sum(provider_charged_tokens(c)), 0) FROM providers_providercall c),"
            " (SELECT count(*) FROM providers_providercall WHERE status = 'unknown'),"
            " (SELECT coalesce(sum(reserved_tokens), 0) FROM providers_providercall WHERE status = 'unknown')"
            " FROM providers_providerstate WHERE provider = 'google'"
        ).fetchone()
    if row is None:
        raise RuntimeError("nothing was called")
    counted, reserved, ledger, unknown_calls, unknown_tokens = (int(value) for value in row)
    return {
        f"overshoot_tokens_{name}": max(0, used(tally) - QUOTA, counted - QUOTA),
        f"utilisation_{name}": round(counted / QUOTA, 5),
        f"phantom_tokens_{name}": reserved + abs(counted - ledger),
        f"provider_tokens_{name}": used(tally),
        f"unknown_calls_{name}": unknown_calls,
        f"unknown_tokens_{name}": unknown_tokens,
    }


def litellm(cache: str) -> dict[str, Any]:
    """The same callers against the same quota through litellm's Router: its budget of a day, shared over Redis."""
    redis.Redis.from_url(cache).flushall()
    with simulator(latency="0.005-0.03") as urls:
        environment = {**os.environ, "OPENAI_BASE_URL": urls["OPENAI_BASE_URL"], "REDIS_URL": cache}
        argv = [str(peer_python()), str(PEERS / "litellm_limiter.py"), str(THREADS), "120", str(QUOTA)]
        running = [subprocess.Popen(argv, env=environment, start_new_session=True) for _ in range(PROCESSES)]
        if any(one.wait() for one in running):
            raise RuntimeError("a caller of litellm failed")
        with urllib.request.urlopen(urls["control"], timeout=10) as answer:  # noqa: S310 - our own simulator
            tokens = int(json.load(answer)["counters"]["openai"]["tokens"])
    pins = dict(line.split("==") for line in (PEERS / "litellm.txt").read_text().splitlines() if "==" in line)
    return {
        "litellm_overshoot_tokens": max(0, tokens - QUOTA),
        "litellm_utilisation": round(tokens / QUOTA, 5),
        "litellm": pins["litellm"],
    }


def throughput(tally: Path, *, seconds: float) -> float:
    """Pairs a second of all callers through one provider's limits."""
    running = [start("pairs", tally, seconds=seconds) for _ in range(PROCESSES)]
    for one in running:
        pipe(
            one.stdout
        ).readline()  # each has loaded what it needs, which takes the processors from those that call
    for one in running:
        pipe(one.stdin).write("go\n")
        pipe(one.stdin).flush()
    return round(sum(int(one.communicate()[0]) for one in running) / seconds, 1)


def uncontended() -> dict[str, Any]:
    """p50 of one pair over p50 of a single-row UPDATE, in turns, each durable, on the same server."""
    output = subprocess.run(
        [sys.executable, "-m", "bench.limiter_uncontended"], check=True, capture_output=True, text=True
    ).stdout
    return dict(json.loads(output))


def start(mode: str, tally: Path, *, seconds: float) -> subprocess.Popen[str]:
    """A process group of callers."""
    argv = [sys.executable, "-m", MODULE, mode, str(THREADS), str(seconds), str(tally)]
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def pipe(end: IO[str] | None) -> IO[str]:
    """One that ``start`` has made."""
    if end is None:
        raise RuntimeError("not a pipe")
    return end


def wait(running: Iterator[subprocess.Popen[str]] | list[subprocess.Popen[str]]) -> None:
    """For all of them."""
    for one in list(running):
        one.communicate()
        if one.returncode not in {0, -signal.SIGKILL}:
            raise RuntimeError(f"a caller ended with {one.returncode}")


def used(tally: Path) -> int:
    """Tokens that reached "the provider"."""
    return sum(map(int, tally.read_text().split())) if tally.exists() else 0


def turn_clock(server: Server, *, hours: int = 0, seconds: int = 0) -> None:
    """The limiter's clock ahead of the real one."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION provider_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
            f"'SELECT clock_timestamp() + make_interval(hours => {hours}, secs => {seconds})'"
        )


def wipe(server: Server) -> None:
    """Start from nothing, at the real time."""
    turn_clock(server)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("TRUNCATE providers_providercall, providers_providerstate, providers_budgetstate")


def manage(*arguments: str) -> None:
    """Run a management command."""
    subprocess.run([sys.executable, "manage.py", *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    raise SystemExit(main())
