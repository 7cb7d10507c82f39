"""What the engine's benchmark asks besides the race: cost of a stage, flatness, fairness, own time, memory."""

import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import redis

from bench import engine_arms as arms
from bench.engine_plugin import LATENCY_SECONDS, NAP_SECONDS
from bench.private_postgres import Server
from bench.simulated import simulator

SIZES = (100, 10_000, 100_000)
WARM_UP = 8
# Ended flows with what they leave behind: stages, attempts, events.
SEED = (
    "INSERT INTO repos (repo_name, enabled, paused, created_at) VALUES ('old', true, false, now()) ON CONFLICT DO NOTHING",
    """
    INSERT INTO flows_flow (id, repo_id, flow_type, flow_type_version, block_family, feature_request, context, settings, status,
        priority, created_by, request_digest, created_at, started_at, finished_at, deadline_at, cost_usd, error_code,
        error_message, error_cure)
    SELECT 'task_00' || lpad(n::text, 18, '0'), (SELECT id FROM repos LIMIT 1), 'noop', 1, '', 'Nothing.', '{}', '{}',
        'passed', 0, '', '', now(), now(), now(), now(), 0, '', '', '' FROM generate_series(%(low)s::int, %(high)s::int) n
    """,
    """
    INSERT INTO flows_stage (flow_id, position, kind, round, queue, status, worker, attempts_made, crashes, failures, repair,
        wait_reason, waits_for, sends, fair_tag, feedback, output, error_code, error_message, error_cure, started_at, finished_at)
    SELECT 'task_00' || lpad(n::text, 18, '0'), p, 'noop', 1, 'google', 'passed', 'w', 1, 0, 0, '{}', '', '', 1, 0, '', '{}', '',
        '', '', now(), now() FROM generate_series(%(low)s::int, %(high)s::int) n, generate_series(1, 4) p
    """,
    """
    INSERT INTO flows_attempt (stage_id, number, token, worker, started_at, finished_at, outcome, model, fallback_from,
        error_code, error_message)
    SELECT id, 1, gen_random_uuid(), 'w', now(), now(), 'passed', '', '', '', '' FROM flows_stage
    WHERE flow_id BETWEEN 'task_00' || lpad(%(low)s::text, 18, '0') AND 'task_00' || lpad(%(high)s::text, 18, '0')
    """,
    """
    INSERT INTO flows_flowevent (flow_id, kind, stage_id, data, created_at)
    SELECT flow_id, 'stage.passed', id, '{}', now() FROM flows_stage
    WHERE flow_id BETWEEN 'task_00' || lpad(%(low)s::text, 18, '0') AND 'task_00' || lpad(%(high)s::text, 18, '0')
    """,
)


def turn(arm: arms.Arm, flows: int) -> dict[str, Any]:
    """One turn of one system: awake, warm, measured, asleep."""
    arm.thaw()
    try:
        arm.run(WARM_UP)
        return arm.run(flows)
    finally:
        arm.freeze()


def seed(url: str, low: int, high: int) -> None:
    """Store ended flows number ``low`` to ``high``."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in SEED[1:]:
            connection.execute(statement, {"low": low, "high": high})  # type: ignore[arg-type]  # constants of this module
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")  # what the seeding has dirtied is not the measured flows' to write


def flatness(servers: arms.Servers, flows: int, rounds: int) -> dict[str, Any]:
    """Flows a second over a bare chain's with more and more flows stored: the least of the sizes over the most."""
    stored, ratios = 0, {}
    with arms.bare(servers) as bare, arms.ours(servers, "flat") as ours:
        ours.run(flows)
        bare.freeze()
        ours.freeze()
        for size in SIZES:
            seed(servers.database("flat"), stored + 1, size)
            stored = size
            pairs = [(turn(bare, flows), turn(ours, flows)) for _ in range(rounds)]
            ratios[size] = statistics.median(b["flows_per_s"] / a["flows_per_s"] for a, b in pairs)
    named = {f"ratio_to_bare_at_{size}_stored": round(ratio, 3) for size, ratio in ratios.items()}
    return {"flatness": round(min(ratios.values()) / max(ratios.values()), 3), **named}


def latency(servers: arms.Servers, flows: int) -> dict[str, Any]:
    """Start to start between stages, one flow at a time and four at a time."""
    found: dict[str, Any] = {}
    for flight, name in (("1", ""), ("4", "_four_at_once")):
        with arms.ours(servers, "step", FLIGHT=flight) as arm:
            arm.run(40)
            measured = arm.run(flows)
        found |= {f"stage_to_stage_ms_{p}{name}": round(measured[f"step_ms_{p}"], 2) for p in ("p50", "p95")}
    return found


def cost(servers: arms.Servers, server: Server, flows: int) -> dict[str, Any]:
    """Statements of the database and messages of the broker per stage, creation included, the dispatcher asleep."""
    broker = redis.Redis.from_url(servers.valkey)
    with arms.ours(servers, "cost") as arm, psycopg.connect(servers.postgres, autocommit=True) as admin:
        arm.run(2 * flows)
        arm.freeze()
        for driver in arm.drivers:
            driver.send_signal(18)
        log, before = server.folder / "log", broker.info("commandstats")["cmdstat_lpush"]["calls"]
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
        "statements_per_stage": round(len(ran) / flows / 4, 2),
        "messages_per_stage": round(messages / flows / 4, 2),
    }


def fairness(servers: arms.Servers) -> dict[str, Any]:
    """500 flows of one repo, then one of another, on eight slots: when that one starts, in times that a slot is held."""
    with arms.ours(servers, "fair", threads="4", GOOGLE_SLOTS="8", FLOW_TYPE="nap") as arm:
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


def own_time(servers: arms.Servers, flows: int, latency_scale: float) -> dict[str, Any]:
    """Flows with 90 s of model time through limits, ledger and SDKs: what they take beyond their calls; memory meanwhile."""
    with simulator() as urls:
        wide = {
            f"{name.upper()}_{limit}": "1000000000"
            for name in LATENCY_SECONDS
            for limit in ("DAILY_TOKEN_QUOTA",)
        }
        for name in LATENCY_SECONDS:
            wide |= {
                f"{name.upper()}_REQUESTS_PER_MINUTE": "1000000",
                f"{name.upper()}_TOKENS_PER_MINUTE": "1000000000",
            }
            wide |= {f"{name.upper()}_MAX_CONCURRENCY": "512", f"{name.upper()}_API_KEY": "simulated"}
        more = {**wide, **urls, "DAILY_BUDGET_USD": "1000000", "FLOW_TYPE": "modelled"}
        with arms.ours(servers, "own", threads="64", **more) as arm:
            workers = [process.pid for process in arm.processes[:2]]
            # What the first calls load is paid once, not by each call that waits.
            arm.run(WARM_UP)
            for name, seconds in LATENCY_SECONDS.items():
                behave(f"{urls['control']}{name}", {"latency": seconds * latency_scale})
            idle, peak = sum(map(memory, workers)), [0.0]
            ended = threading.Event()

            def watch() -> None:
                while not ended.wait(1.0):
                    peak[0] = max(peak[0], sum(map(memory, workers)))

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


def behave(url: str, behaviour: dict[str, Any]) -> None:
    """Tell a provider of the simulator how to behave from now on."""
    asked = urllib.request.Request(url, json.dumps(behaviour).encode(), method="PUT")  # noqa: S310 - our own loopback address
    with urllib.request.urlopen(asked, timeout=10):  # noqa: S310
        pass


def memory(pid: int) -> float:
    """Megabytes that a process has to itself, with its share of what is shared."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
