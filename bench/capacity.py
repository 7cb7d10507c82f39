"""``python -m bench.capacity``: whether the runbook's targets hold at the scale of the launch and at a
hundred times that scale, and what bounds them.

500 flows of 50 repos, and 50,000 of 5,000, in ten working days each: the runbook's quotas, the latencies
and repairs of the pilot, vendors that fail. Between them fifteen minutes of the latter with a hundred times
the quotas, for what bounds next. The engine, the limiter, the workers' code and their PostgreSQL are real;
models and gates wait in simulated time (``capacity_clock``), a list in memory stands for Redis, and no commit
waits for the disk. Which cause bounds is not named here: the events of all stages say what their time went
into. ``CAPACITY_MINUTES`` bounds the real time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from bench import capacity_clock
from bench.engine_parts import compose_model_settings
from bench.goals import Goals, at_least, judge_results, write_results
from bench.private_postgres import read_server_version, run_durable_postgres
from bench.scale import choose_size
from orchestrator.dev import embedded, stack

MINUTES: Final = float(os.environ.get("CAPACITY_MINUTES", "90"))
TARGETS: Final = {"p95_latency_s": 120.0, "success_rate": 0.99, "usd_per_flow": 2.0}
"""The launch runbook's: P95 and USD below, success at least."""
# A Monday, 9:00 UTC, before any change of prices that the catalog knows.
START: Final = 1_795_424_400.0
# What deploy/k8s/overlays/production sets; everything else is as a process has it by default.
PRODUCTION: Final = {"GATES_SLOTS": "12", "CONTROL_SLOTS": "24"}
QUOTAS: Final = {"ANTHROPIC": 2_000_000, "OPENAI": 1_500_000, "GOOGLE": 500_000}
MORE: Final = 100
MIGRATED: Final = "capacity_migrated"
GOALS: Final[Goals] = {
    # That the simulations ran to their ends. Whether the targets hold is what they find out.
    "flows": at_least(choose_size(50_000, 60), exact=True),
    "flows_500": at_least(choose_size(500, 20), exact=True),
    "ran_to_the_end": at_least(1, exact=True),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulation: its size, how many times the runbook's quotas it has, and its share of the time."""

    name: str
    flows: int
    repos: int
    days: int
    hours: float
    rest_days: float
    quota_times: int
    minutes_share: float
    together: int = 1
    """How many flows arrive at one moment, so that the larger simulation ends within the hour."""

    def compose_settings(self) -> dict[str, str]:
        """The limits of this scenario."""
        found = {
            f"{vendor}_DAILY_TOKEN_QUOTA": str(quota * self.quota_times) for vendor, quota in QUOTAS.items()
        }
        if self.quota_times > 1:
            found["DAILY_BUDGET_USD"] = str(50 * self.quota_times)
            for vendor in QUOTAS:
                found[f"{vendor}_TOKENS_PER_MINUTE"] = str(200_000 * self.quota_times)
                found[f"{vendor}_REQUESTS_PER_MINUTE"] = str(500 * self.quota_times)
        return found


SCENARIOS: Final = (
    Scenario("500", choose_size(500, 20), choose_size(50, 5), choose_size(10, 1), 8, 1.0, 1, 0.12),
    # As many an hour as in the one below, for a quarter of an hour.
    Scenario("more_quota", choose_size(156, 20), choose_size(156, 20), 1, 0.25, 0.2, MORE, 0.1),
    # The last, because the longer its line the longer it takes: what time is left is its own.
    Scenario(
        "50000", choose_size(50_000, 60), choose_size(5_000, 30), choose_size(10, 1), 8, 0.0, 1, 0.78, 32
    ),
)


def stop_waiting_for_the_disk(postgres: str) -> None:
    """A simulation can begin again: half of its real time would be waits for a disk that others use too."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def create_database(postgres: str, name: str, environment: Mapping[str, str]) -> None:
    """A migrated database that lives in simulated time; all are copies of one."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [MIGRATED]).fetchone()
        if found is None:
            connection.execute(f'CREATE DATABASE "{MIGRATED}"')
            url = postgres.replace("/postgres?", f"/{MIGRATED}?")
            capacity_clock.replace_clock(url, MIGRATED, START)
            migrate = [sys.executable, "manage.py", "migrate", "--skip-checks", "-v", "0"]
            subprocess.run(migrate, check=True, env={**environment, "DATABASE_URL": url}, cwd=stack.ROOT)
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{MIGRATED}"')
        # A setting of the database, which no template hands on.
        connection.execute(capacity_clock.choose_clock(name))


def run_scenario(scenario: Scenario, postgres: str, valkey: str) -> dict[str, Any]:
    """Simulate ``scenario`` in a database and a process of its own."""
    name = f"capacity_{scenario.name}"
    url = postgres.replace("/postgres?", f"/{name}?")
    environment = os.environ | compose_model_settings({}) | PRODUCTION
    for vendor in QUOTAS:
        # Back to what a process has by default, where the benchmarks of others have no effective limits.
        for limit in ("REQUESTS_PER_MINUTE", "TOKENS_PER_MINUTE", "MAX_CONCURRENCY"):
            environment.pop(f"{vendor}_{limit}", None)
    environment.pop("DAILY_BUDGET_USD", None)
    environment |= scenario.compose_settings() | {
        "DATABASE_URL": url,
        "REDIS_URL": valkey,
        "SECRET_KEY": "bench",
        "PYTHONPATH": str(stack.ROOT),
        "LOG_LEVEL": "ERROR",
        "ENGINE_PLUGINS": "bench.capacity_plugin",
        # A lease runs in simulated time, and its renewals in real time.
        "ENGINE_LEASE_SECONDS": "600",
        "DB_POOL_SIZE": "40",
        "DB_MAX_OVERFLOW": "100",
    }
    create_database(postgres, name, environment)
    plan = {
        "flows": scenario.flows,
        "repos": scenario.repos,
        "days": scenario.days,
        "hours": scenario.hours,
        "together": scenario.together,
        "rest_days": scenario.rest_days,
        "most_seconds": 60 * MINUTES * scenario.minutes_share,
        "start": START,
        "url": url,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.capacity_driver"],
        check=True,
        env=environment,
        cwd=stack.ROOT,
        input=json.dumps(plan) + "\n",
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def judge_targets(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Whether each of the runbook's targets holds, and what the flows' time went into most."""
    held = {
        "holds_p95": figures["p95_latency_s"] < TARGETS["p95_latency_s"],
        "holds_success": figures["success_rate"] >= TARGETS["success_rate"],
        "holds_usd": figures["usd_per_flow"] < TARGETS["usd_per_flow"],
    }
    return held | {"holds_targets": all(held.values())}


def main() -> int:
    """Simulate, write ``results/capacity.json``; 1 if a simulation did not end."""
    before = os.getloadavg()[0]
    results: dict[str, Any] = {}
    with run_durable_postgres() as server, embedded.run_valkey() as valkey:
        stop_waiting_for_the_disk(server.url)
        for scenario in SCENARIOS:
            sys.stdout.write(f"{scenario.flows} flows of {scenario.repos} repos ({scenario.name})\n")
            sys.stdout.flush()
            figures = run_scenario(scenario, server.url, valkey)
            figures |= judge_targets(figures)
            results |= {f"{key}_{scenario.name}": value for key, value in figures.items()}
            sys.stdout.write(f"    bound by {figures['bound_by']}, {figures['real_seconds']} s\n")
        results["postgresql"] = read_server_version(server.url)
    large = {key.removesuffix("_50000"): value for key, value in results.items() if key.endswith("_50000")}
    # The keys that outsiders read: those of the larger one.
    for key in ("flows", "repos", "p95_latency_s", "success_rate", "usd_per_flow", "bound_by"):
        results[key] = large[key]
    stopped = [scenario.name for scenario in SCENARIOS if results[f"stopped_early_{scenario.name}"]]
    results["ran_to_the_end"] = int(not stopped)
    results["load_average"] = round(max(before, os.getloadavg()[0]), 1)
    write_results("capacity", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())
