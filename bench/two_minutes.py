"""``python -m bench.two_minutes``: how long a flow takes with its stages one by one and side by side.

Flows of 50 repos run on the real engine, limiter, ledger and workers, both versions in turn in one run. Only
the work of the stages is replaced by the time that it takes, drawn with a fixed seed (``two_minutes_draws``).
``TWO_MINUTES_FLOWS`` shortens a run.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import engine_arms as arms
from bench.engine_parts import compose_model_settings
from bench.goals import Goals, at_least, at_most, judge_results, write_results
from bench.private_postgres import read_server_version, run_durable_postgres
from bench.scale import choose_size
from bench.two_minutes_draws import EDIT_SECONDS, MEAN_SECONDS, SCALE, SEED, SIGMA
from orchestrator.dev import embedded

FLOWS = int(os.environ.get("TWO_MINUTES_FLOWS") or choose_size(full=500, small=6))
FLIGHT = choose_size(full=120, small=12)
QUEUES = "google,anthropic,openai,gates,control"
GOALS: Goals = {
    "p95_s_v2": at_most(115),
    "p95_ratio": at_most(0.8),
    "usd_per_flow_ratio": at_most(1.05, exact=True),
    "repair_rounds_ratio": at_most(1.0, exact=True),
    "own_time_share": at_most(0.02),
    "flows": at_least(choose_size(full=500, small=6), exact=True),
}


def start_arm(servers: arms.Servers) -> arms.Arm:
    """Two workers for all queues, the dispatcher, and the driver."""
    url = servers.require_migrated_database("two_minutes")
    slots = {f"{name.upper()}_SLOTS": "256" for name in QUEUES.split(",")}
    own = {"ENGINE_PLUGINS": "bench.two_minutes_plugin", "FLIGHT": str(FLIGHT)}
    own |= {"FLOW_DEADLINE_SECONDS": "3600", "FLOW_MAX_COST_USD": "50"}
    arm = arms.Arm(
        "two_minutes", servers, arms.compose_environment(servers, url, **slots, **own, **servers.models)
    )
    threads = choose_size(full="160", small="16")
    for name in arms.WORKERS:
        arms.start_worker(arm, name, "orchestrator", QUEUES, threads)
    arm.start("dispatcher", sys.executable, "manage.py", "dispatcher")
    arm.drive(sys.executable, "-m", "bench.two_minutes_driver")
    for name in arms.WORKERS:
        arm.wait_for_line(name, " ready.")
    return arm


def compare_versions(measured: dict[str, Any]) -> dict[str, Any]:
    """The figures of the file from those of the driver."""
    kept = ("p50_s", "p95_s", "drawn_p50_s", "drawn_p95_s", "usd_per_flow", "repairs")
    found = {
        f"{key}_v{version}": round(measured[f"{key}_v{version}"], 3) for key in kept for version in (1, 2)
    }
    return found | {
        "flows": measured["flows"],
        "p50_ratio": round(measured["p50_s_v2"] / measured["p50_s_v1"], 3),
        "p95_ratio": round(measured["p95_s_v2"] / measured["p95_s_v1"], 3),
        "usd_per_flow_ratio": round(measured["usd_per_flow_v2"] / measured["usd_per_flow_v1"], 3),
        "repair_rounds_ratio": round(measured["repairs_v2"] / max(1.0, measured["repairs_v1"]), 3),
        "own_time_share": round(measured["own_time_share_v2"], 4),
        "own_time_share_v1": round(measured["own_time_share_v1"], 4),
    }


def main() -> int:
    """Measure, write ``results/two_minutes.json``; 1 if a goal was missed."""
    before = os.getloadavg()[0]
    with (
        run_durable_postgres() as server,
        embedded.run_valkey() as valkey,
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(arms.Servers(server.url, valkey, Path(folder))) as servers,
    ):
        servers.models = compose_model_settings({})
        with start_arm(servers) as arm:
            results = compare_versions(arm.run(FLOWS))
        results["postgresql"] = read_server_version(server.url)
    results |= {f"mean_s_{kind}": seconds for kind, seconds in MEAN_SECONDS.items()}
    results |= {"mean_s_repair_v1": MEAN_SECONDS["implement"], "mean_s_repair_v2": EDIT_SECONDS}
    results |= {"sigma": SIGMA, "seed": SEED, "time_scale": SCALE, "flows_at_once": FLIGHT}
    results["load_average"] = round(max(before, os.getloadavg()[0]), 1)
    write_results("two_minutes", results)
    return judge_results(results, GOALS)


if __name__ == "__main__":
    raise SystemExit(main())
