"""What the engine's benchmark measures besides the race: latency, messages, flatness, fairness, own time."""

import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import redis

from bench import engine_arms as arms
from bench.engine_latencies import LATENCY_SECONDS, NAP_SECONDS
from bench.private_postgres import Server
from bench.scale import choose_size
from bench.simulated import set_behaviour

SIZES = choose_size(full=(100, 10_000, 100_000), small=(5,))
WARM_UP = choose_size(full=8, small=1)
# How many flows are under way at once, and the suffix of the keys.
FLIGHTS = choose_size(full=(("1", ""), ("4", "_four_at_once")), small=(("64", ""),))


def take_turn(arm: arms.Arm, flows: int) -> dict[str, Any]:
    """One turn of one system: wake it, warm it up, measure it, freeze it again."""
    arm.thaw()
    try:
        arm.run(WARM_UP)
        return arm.run(flows)
    finally:
        arm.freeze()


def store_flows(arm: arms.Arm, low: int, high: int) -> None:
    """Store ended flows number ``low`` to ``high``, copies of one that ``arm`` has run."""
    command = [sys.executable, "-m", "bench.stored_flows", str(low), str(high)]
    subprocess.run(command, env=arm.environment, check=True, cwd=arms.BENCH.parent)


def measure_flatness(servers: arms.Servers, flows: int, rounds: int) -> dict[str, Any]:
    """Flows a second over a bare chain's with more and more flows stored: the least of the sizes over the
    most.
    """
    stored, ratios = 0, {}
    with arms.start_bare_celery(servers) as bare, arms.start_orchestrator(servers, "flat") as ours:
        ours.run(flows)
        bare.freeze()
        ours.freeze()
        for size in SIZES:
            store_flows(ours, stored + 1, size)
            stored = size
            pairs = [(take_turn(bare, flows), take_turn(ours, flows)) for _ in range(rounds)]
            ratios[size] = statistics.median(b["flows_per_s"] / a["flows_per_s"] for a, b in pairs)
    named = {f"ratio_to_bare_at_{size}_stored": round(ratio, 3) for size, ratio in ratios.items()}
    return {"flatness": round(min(ratios.values()) / max(ratios.values()), 3), **named}


def measure_latency(servers: arms.Servers, flows: int) -> dict[str, Any]:
    """Start to start between stages, one flow at a time and four at a time."""
    found: dict[str, Any] = {}
    for flight, name in FLIGHTS:
        with arms.start_orchestrator(servers, "step", FLIGHT=flight) as arm:
            arm.run(choose_size(full=40, small=1))
            measured = arm.run(flows)
        found |= {f"stage_to_stage_ms_{p}{name}": round(measured[f"step_ms_{p}"], 2) for p in ("p50", "p95")}
    return found


def count_messages(servers: arms.Servers, server: Server, flows: int) -> dict[str, Any]:
    """Statements of the database and messages of the broker per stage, creation included, the dispatcher
    asleep: of straight flows, and of flows that fork.
    """
    return _count_messages(servers, server, flows, "noop", 4) | {
        f"{key}_forked": value for key, value in _count_messages(servers, server, flows, "forked", 5).items()
    }


def _count_messages(
    servers: arms.Servers, server: Server, flows: int, flow_type: str, stages: int
) -> dict[str, Any]:
    broker = redis.Redis.from_url(servers.valkey)
    with (
        arms.start_orchestrator(servers, "cost", FLOW_TYPE=flow_type) as arm,
        psycopg.connect(servers.postgres, autocommit=True) as admin,
    ):
        arm.run(choose_size(full=2 * flows, small=1))
        arm.freeze()
        # The driver creates the flows that are counted; only the dispatcher stays frozen.
        for driver in arm.drivers:
            driver.send_signal(signal.SIGCONT)
        log, before = server.log, broker.info("commandstats")["cmdstat_lpush"]["calls"]
        admin.execute("ALTER SYSTEM SET log_min_duration_statement = 0")
        admin.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)
        start = log.stat().st_size
        arm.run(flows)
        messages = broker.info("commandstats")["cmdstat_lpush"]["calls"] - before
        with log.open("rb") as file:
            file.seek(start)
            lines = file.read().decode(errors="replace").splitlines()
        admin.execute("ALTER SYSTEM RESET log_min_duration_statement")
        admin.execute("SELECT pg_reload_conf()")
    ran = [line for line in lines if " ms  execute " in line or " ms  statement: " in line]
    ran = [line for line in ran if "AS n FROM flows_flow" not in line and "pg_reload_conf" not in line]
    return {
        "statements_per_stage": round(len(ran) / flows / stages, 2),
        "messages_per_stage": round(messages / flows / stages, 2),
    }


def measure_fairness(servers: arms.Servers) -> dict[str, Any]:
    """Many flows of one repo, then one of another: when that one starts, in times that a slot is held."""
    with arms.start_orchestrator(servers, "fair", threads="4", GOOGLE_SLOTS="8", FLOW_TYPE="nap") as arm:
        arm.run(WARM_UP)
        argv = [sys.executable, "-m", "bench.engine_fairness"]
        done = subprocess.run(
            argv, env=arm.environment, capture_output=True, text=True, check=True, cwd=arms.BENCH.parent
        )
    waited = float(json.loads(done.stdout)["waited_seconds"])
    return {
        "fairness_start_in_slot_times": round(waited / NAP_SECONDS, 2),
        "fairness_start_seconds": round(waited, 3),
    }


def compose_model_settings(urls: Mapping[str, str]) -> dict[str, str]:
    """Settings of the orchestrator that lead to the simulator at ``urls``, without effective limits."""
    settings = {**urls, "DAILY_BUDGET_USD": "1000000"}
    for name in LATENCY_SECONDS:
        provider = name.upper()
        settings |= {
            f"{provider}_DAILY_TOKEN_QUOTA": "1000000000",
            f"{provider}_REQUESTS_PER_MINUTE": "1000000",
            f"{provider}_TOKENS_PER_MINUTE": "1000000000",
            f"{provider}_MAX_CONCURRENCY": "512",
            f"{provider}_API_KEY": "simulated",
        }
    return settings


def measure_own_time(
    servers: arms.Servers, urls: Mapping[str, str], flows: int, latency_scale: float
) -> dict[str, Any]:
    """What flows with 90 s of model time take beyond their calls, and the memory of a waiting call."""
    with arms.start_orchestrator(servers, "own", threads="64", FLOW_TYPE="modelled") as arm:
        workers = [process.pid for process in arm.processes[: len(arms.WORKERS)]]
        # What the first calls load is paid once, not by each call that waits.
        arm.run(WARM_UP)
        for name, seconds in LATENCY_SECONDS.items():
            set_behaviour(urls, name, {"latency": seconds * latency_scale})
        idle, peak = sum(map(read_memory, workers)), [0.0]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(1.0):
                peak[0] = max(peak[0], sum(map(read_memory, workers)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            measured = arm.run(flows)
        finally:
            ended.set()
            watcher.join()
    return {
        "own_time_share": round(measured["own_time_share"], 4),
        "own_time_share_worst": round(measured["own_time_share_worst"], 4),
        "own_time_model_seconds": (sum(LATENCY_SECONDS.values()) + LATENCY_SECONDS["anthropic"])
        * latency_scale,
        "own_time_flows_in_flight": flows,
        "memory_mb_per_waiting_call": round((peak[0] - idle) / flows, 3),
    }


def read_memory(pid: int) -> float:
    """Megabytes that a process has to itself, with its share of what is shared."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
