"""``python -m bench.engine``: the engine beside a bare Celery chain, DBOS and Prefect, in turns on one machine.

Everything runs on a PostgreSQL of its own with every durability setting at its default, and a Valkey of its own. Ratios are
medians over rounds in which each system had its turn, so that what else the machine does hits all alike.
``ENGINE_ROUNDS``, ``ENGINE_FLOWS`` and ``ENGINE_PARTS`` shorten a run; parts left out keep what the file says of them.
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
from bench import engine_chart, engine_parts, goals
from bench.engine_parts import turn
from bench.private_postgres import postgres, version
from orchestrator.dev import embedded

TARGET = Path(__file__).resolve().parent / "results" / "engine.json"
ROUNDS, FLOWS = int(os.environ.get("ENGINE_ROUNDS", "9")), int(os.environ.get("ENGINE_FLOWS", "192"))
SCALE = float(os.environ.get("ENGINE_LATENCY_SCALE", "1"))
SLOW = {"prefect": 16}
GOALS: goals.Goals = {
    "flows_per_s_vs_bare_celery_chain": (">=", 0.55),
    "flows_per_s_vs_dbos_direct": (">=", 1.1),
    "flows_per_s_vs_dbos_queue": (">=", 1.5),
    "flows_per_s_vs_prefect": (">=", 25),
    "stage_to_stage_ms_p50": ("<=", 10),
    "stage_to_stage_ms_p95": ("<=", 25),
    "own_time_share": ("<=", 0.02),
    "memory_mb_per_waiting_call": ("<=", 1),
    "flatness": (">=", 0.8),
    "fairness_start_in_slot_times": ("<=", 2),
}


def race(servers: arms.Servers) -> dict[str, Any]:
    """Every system in turn, round after round, the order turned by one each time."""
    speeds: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        running = []
        for start in (arms.bare, arms.ours, arms.dbos_direct, arms.dbos_queue, arms.prefect):
            arm = stack.enter_context(start(servers))
            arm.run(
                SLOW.get(arm.name, FLOWS)
            )  # connections are open and statements planned before anything counts
            arm.freeze()
            running.append(arm)
        for number in range(ROUNDS):
            for arm in running[number % len(running) :] + running[: number % len(running)]:
                speed = turn(arm, SLOW.get(arm.name, FLOWS))["flows_per_s"]
                speeds.setdefault(arm.name, []).append(speed)
            say(
                f"round {number + 1}: "
                + ", ".join(f"{name} {all_of[-1]:.1f}" for name, all_of in speeds.items())
            )
    return ratios(speeds)


def ratios(speeds: dict[str, list[float]]) -> dict[str, Any]:
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
        "worker_processes": 2,
        "threads": int(arms.THREADS),
    }


def say(text: str) -> None:
    """To the terminal, with how busy the machine is."""
    sys.stdout.write(f"{text} (load {os.getloadavg()[0]:.1f})\n")
    sys.stdout.flush()


def main() -> int:
    """Measure, write ``results/engine.json`` and the chart; 1 if a goal was missed."""
    results: dict[str, Any] = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    with postgres() as server, embedded.run_valkey() as valkey, tempfile.TemporaryDirectory() as folder:
        servers = arms.Servers(server.url, valkey, Path(folder))
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "race": lambda: race(servers),
            "latency": lambda: engine_parts.latency(servers, 40),
            "cost": lambda: engine_parts.cost(servers, server, 40),
            "flatness": lambda: engine_parts.flatness(servers, FLOWS, max(3, ROUNDS // 2)),
            "fairness": lambda: engine_parts.fairness(servers),
            "own_time": lambda: engine_parts.own_time(servers, 64, SCALE),
        }
        for name in os.environ.get("ENGINE_PARTS", ",".join(parts)).split(","):
            before = os.getloadavg()[0]
            found = parts[name]() | {f"{name}_load_average": round(max(before, os.getloadavg()[0]), 1)}
            say(f"{name}: {json.dumps(found)}")
            results |= found
            write(results | {"postgresql": version(server.url), **versions()})
    return goals.report(results, GOALS)


def versions() -> dict[str, str]:
    """What was compared."""
    peers = {f"{name}_version": arms.pinned(name) for name in ("dbos", "prefect")}
    return {**peers, "celery_version": installed("celery"), "psycopg_version": installed("psycopg")}


def write(results: dict[str, Any]) -> None:
    """The file and, where the race was run, the chart."""
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if "flows_per_s_ours" in results:
        engine_chart.draw(results, TARGET.with_suffix(".svg"))


if __name__ == "__main__":
    raise SystemExit(main())
