"""``python -m bench.ops``: what it costs to watch the system, and whether people are told.

Each part is a module ``ops_<part>`` and a line below. ``OPS_PARTS=tracing`` measures some of them, and keeps
the figures of the others.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.goals import Goal, Goals, at_least, at_most, find_results_file, judge_results, write_results
from bench.ops_alerts import measure_alerts
from bench.ops_notifications import measure_notifications
from bench.ops_scale import measure_scale
from bench.ops_tracing import measure_tracing
from bench.private_postgres import Server, read_server_version, run_durable_postgres
from bench.scale import choose_size
from orchestrator.dev import embedded


@dataclass(frozen=True, slots=True)
class Part:
    """What one part measures, and what its figures have to reach.

    ``measure`` takes PostgreSQL, the URL of Valkey and a folder for logs.
    """

    measure: Callable[[Server, str, Path], dict[str, Any]]
    goals: Goals


PARTS = {
    "tracing": Part(
        measure_tracing,
        {"tracing_overhead": at_most(0.02), "tracing_flows_without_spans": at_most(0, exact=True)},
    ),
    "notifications": Part(
        measure_notifications,
        {
            "notifications": at_least(choose_size(full=1000, small=12), exact=True),
            "notifications_lost": at_most(0, exact=True),
            "notifications_doubled": at_most(0, exact=True),
            "notifications_given_up": at_most(0, exact=True),
        },
    ),
    "alerts": Part(measure_alerts, {"synthetic_alert_s": at_most(30), "alert_end_to_end_s": at_most(60)}),
    "scale": Part(
        measure_scale,
        {
            "scrape_queries_ratio": at_most(1, exact=True),
            "scrape_p95_ratio": at_most(2),
            "admin_queries_ratio": at_most(1, exact=True),
            "admin_p95_ratio": at_most(2),
        },
    ),
}


def choose_parts(wanted: str) -> list[str]:
    """The parts that ``wanted`` names, separated by commas; all for an empty text. Raises ``SystemExit``."""
    chosen = [name for name in wanted.split(",") if name] or list(PARTS)
    if unknown := sorted(set(chosen) - set(PARTS)):
        raise SystemExit(f"OPS_PARTS: no part {', '.join(unknown)}. There are: {', '.join(PARTS)}")
    return chosen


def judge_parts(results: Mapping[str, Any], chosen: Collection[str]) -> int:
    """1 if a goal was missed, or a figure of a chosen part is missing; names what nobody has measured."""
    goals: dict[str, Goal] = {}
    for name, part in PARTS.items():
        missing = [key for key in part.goals if key not in results]
        if missing and name not in chosen:
            sys.stdout.write(f"not measured: {', '.join(missing)} (OPS_PARTS={name})\n")
            continue
        goals |= part.goals
    return judge_results(results, goals)


def main() -> int:
    """Measure, write ``results/ops.json``; 1 if a goal was missed."""
    chosen = choose_parts(os.environ.get("OPS_PARTS", ""))
    kept = find_results_file("ops")
    results: dict[str, Any] = {}
    if len(chosen) < len(PARTS) and kept is not None and kept.exists():
        results = json.loads(kept.read_text(encoding="utf-8"))
    before = os.getloadavg()[0]
    with (
        run_durable_postgres() as server,
        embedded.run_valkey() as valkey,
        tempfile.TemporaryDirectory() as folder,
    ):
        for name in chosen:
            results |= PARTS[name].measure(server, valkey, Path(folder))
        results["postgresql"] = read_server_version(server.url)
    results["load_average"] = round(max(before, os.getloadavg()[0]), 1)
    write_results("ops", results)
    return judge_parts(results, chosen)


if __name__ == "__main__":
    raise SystemExit(main())
