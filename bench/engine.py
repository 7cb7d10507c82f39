"""``python -m bench.engine``: the engine beside a bare Celery chain, DBOS and Prefect, in turns on one
machine.

Everything runs on a PostgreSQL of its own with every durability setting at its default, and a Valkey of its
own. Ratios are medians over rounds in which each system had its turn, so that what else the machine does hits
all alike. ``ENGINE_ROUNDS``, ``ENGINE_FLOWS`` and ``ENGINE_PARTS`` shorten a run; parts left out keep what
the file says of them.
"""

import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from bench import engine_arms as arms
from bench import engine_chart, engine_parts
from bench.engine_parts import take_turn
from bench.goals import Goals, at_least, at_most, find_results_file, judge_results, write_results
from bench.peer_environments import read_pinned_version, takes_part
from bench.private_postgres import read_server_version, run_durable_postgres
from bench.scale import SMALL, choose_size
from bench.simulated import run_simulator
from orchestrator.dev import embedded

ROUNDS = int(os.environ.get("ENGINE_ROUNDS") or choose_size(full=9, small=1))
FLOWS = int(os.environ.get("ENGINE_FLOWS") or choose_size(full=192, small=4))
LATENCY_SCALE = float(os.environ.get("ENGINE_LATENCY_SCALE") or choose_size(full=1.0, small=0.002))
MEASURED_FLOWS = choose_size(full=40, small=3)
MODELLED_FLOWS = choose_size(full=64, small=4)
# Prefect runs a few flows a second, so a full round of it would take minutes.
SLOW = {"prefect": choose_size(full=16, small=2)}
GOALS: Goals = {
    "flows_per_s_vs_bare_celery_chain": at_least(0.55),
    "flows_per_s_vs_dbos_direct": at_least(1.1),
    "flows_per_s_vs_dbos_queue": at_least(1.5),
    "flows_per_s_vs_prefect": at_least(25),
    "flows_per_s_forked_vs_celery_chord": at_least(1.0),
    "flows_per_s_forked_vs_dbos": at_least(1.2),
    "stage_to_stage_ms_p50": at_most(10),
    "stage_to_stage_ms_p95": at_most(25),
    "own_time_share": at_most(0.02),
    "memory_mb_per_waiting_call": at_most(1),
    "flatness": at_least(0.8),
    "fairness_start_in_slot_times": at_most(2),
}


def race_systems(servers: arms.Servers) -> dict[str, Any]:
    """A straight flow on every system."""
    return compare_speeds(_race(servers, _list_systems()))


def race_forks(servers: arms.Servers) -> dict[str, Any]:
    """A flow that forks into three and joins, beside a Celery chord and DBOS with the same shape."""
    systems: list[Callable[[arms.Servers], arms.Arm]] = [
        lambda servers: arms.start_orchestrator(servers, "forked", FLOW_TYPE="forked"),
        arms.start_celery_chord,
    ]
    if takes_part("dbos"):
        systems.append(arms.start_dbos_forked)
    speeds = _race(servers, systems)
    ours = speeds.pop("ours" if SMALL else "forked")
    found = {"flows_per_s_forked": round(statistics.median(ours), 2)}
    for name, of in speeds.items():
        ratios = [own / other for own, other in zip(ours, of, strict=True)]
        peer = name.removesuffix("_forked")
        found |= {f"flows_per_s_forked_vs_{peer}": round(statistics.median(ratios), 3)}
        found |= {f"flows_per_s_{name}": round(statistics.median(of), 2)}
    return found


def _race(servers: arms.Servers, systems: list[Callable[[arms.Servers], arms.Arm]]) -> dict[str, list[float]]:
    """Every system in turn, round after round, the order turned by one each time; flows a second by
    system.
    """
    speeds: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        running = []
        for start in systems:
            arm = stack.enter_context(start(servers))
            # Connections are open and statements planned before anything counts.
            if not SMALL:
                arm.run(SLOW.get(arm.name, FLOWS))
            arm.freeze()
            running.append(arm)
        for number in range(ROUNDS):
            first = number % len(running)
            for arm in running[first:] + running[:first]:
                speed = take_turn(arm, SLOW.get(arm.name, FLOWS))["flows_per_s"]
                speeds.setdefault(arm.name, []).append(speed)
            report_progress(
                f"round {number + 1}: "
                + ", ".join(f"{name} {all_of[-1]:.1f}" for name, all_of in speeds.items())
            )
        for arm in running:
            arm.check_stored_steps()
    return speeds


def _list_systems() -> list[Callable[[arms.Servers], arms.Arm]]:
    systems: list[Callable[[arms.Servers], arms.Arm]] = [arms.start_bare_celery, arms.start_orchestrator]
    if takes_part("dbos"):
        systems += [arms.start_dbos_direct, arms.start_dbos_queue]
    if takes_part("prefect"):
        systems.append(arms.start_prefect)
    return systems


def compare_speeds(speeds: dict[str, list[float]]) -> dict[str, Any]:
    """Medians of what each round says; the spread of the ratios beside them."""
    found: dict[str, Any] = {
        f"flows_per_s_{name}": round(statistics.median(of), 2) for name, of in speeds.items()
    }
    for name, of in speeds.items():
        if name != "ours":
            paired = sorted(own / other for own, other in zip(speeds["ours"], of, strict=True))
            key = f"flows_per_s_vs_{'bare_celery_chain' if name == 'bare' else name}"
            found |= {key: round(statistics.median(paired), 3), f"{key}_low": round(paired[0], 3)}
            found |= {f"{key}_high": round(paired[-1], 3)}
    return found | {
        "rounds": len(speeds["ours"]),
        "flows_per_round": FLOWS,
        "worker_processes": len(arms.WORKERS),
        "threads": int(arms.THREADS),
    }


def report_progress(text: str) -> None:
    """To the terminal, with how busy the machine is."""
    sys.stdout.write(f"{text} (load {os.getloadavg()[0]:.1f})\n")
    sys.stdout.flush()


def main() -> int:
    """Measure, write ``results/engine.json`` and the chart; 1 if a goal was missed."""
    target = find_results_file("engine")
    results: dict[str, Any] = {}
    # Parts that are left out keep what the file says of them.
    if target is not None and target.exists():
        results = json.loads(target.read_text(encoding="utf-8"))
    with (
        run_durable_postgres() as server,
        embedded.run_valkey() as valkey,
        tempfile.TemporaryDirectory() as folder,
        run_simulator() as urls,
        contextlib.closing(arms.Servers(server.url, valkey, Path(folder))) as servers,
    ):
        servers.models = engine_parts.compose_model_settings(urls)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "race": lambda: race_systems(servers),
            "forked": lambda: race_forks(servers),
            "latency": lambda: engine_parts.measure_latency(servers, MEASURED_FLOWS),
            "cost": lambda: engine_parts.count_messages(servers, server, MEASURED_FLOWS),
            "flatness": lambda: engine_parts.measure_flatness(
                servers, FLOWS, choose_size(full=max(3, ROUNDS // 2), small=1)
            ),
            "fairness": lambda: engine_parts.measure_fairness(servers),
            "own_time": lambda: engine_parts.measure_own_time(servers, urls, MODELLED_FLOWS, LATENCY_SCALE),
        }
        for name in os.environ.get("ENGINE_PARTS", ",".join(parts)).split(","):
            before = os.getloadavg()[0]
            found = parts[name]() | {f"{name}_load_average": round(max(before, os.getloadavg()[0]), 1)}
            report_progress(f"{name}: {json.dumps(found)}")
            results |= found
            write_figures(results | {"postgresql": read_server_version(server.url), **list_versions()})
    return judge_results(results, GOALS)


def list_versions() -> dict[str, str]:
    """What was compared."""
    peers = {f"{name}_version": read_pinned_version(name) for name in ("dbos", "prefect")}
    return {**peers, "celery_version": installed("celery"), "psycopg_version": installed("psycopg")}


def write_figures(results: dict[str, Any]) -> None:
    """Write the file and, where the race was run, the chart."""
    write_results("engine", results)
    chart = find_results_file("engine", ".svg")
    if chart is not None and "flows_per_s_ours" in results:
        engine_chart.draw_chart(results, chart)


if __name__ == "__main__":
    raise SystemExit(main())
