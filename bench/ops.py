"""``python -m bench.ops``: what it costs to watch the system, and whether people are told.

Each part is a module ``ops_<part>`` and a line below. ``OPS_PARTS=tracing`` measures some of them, and keeps
the figures of the others.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.goals import Goals, at_least, at_most, find_results_file, judge_results, write_results
from bench.ops_alerts import measure_alerts
from bench.ops_notifications import measure_notifications
from bench.ops_scale import measure_scale
from bench.ops_tracing import measure_tracing
from bench.private_postgres import Server, read_server_version, run_durable_postgres
from bench.scale import choose_size
from orchestrator.dev import embedded

# Each takes PostgreSQL, the URL of Valkey and a folder for logs.
PARTS: dict[str, Callable[[Server, str, Path], dict[str, Any]]] = {
    "tracing": measure_tracing,
    "notifications": measure_notifications,
    "alerts": measure_alerts,
    "scale": measure_scale,
}
GOALS: Goals = {
    "tracing_overhead": at_most(0.02),
    "tracing_flows_without_spans": at_most(0, exact=True),
    "notifications": at_least(choose_size(full=1000, small=12), exact=True),
    "notifications_lost": at_most(0, exact=True),
    "notifications_doubled": at_most(0, exact=True),
    "notifications_given_up": at_most(0, exact=True),
    "synthetic_alert_s": at_most(30),
    "alert_end_to_end_s": at_most(60),
    "scrape_queries_ratio": at_most(1, exact=True),
    "scrape_p95_ratio": at_most(2),
    "admin_queries_ratio": at_most(1, exact=True),
    "admin_p95_ratio": at_most(2),
}


def main() -> int:
    """Measure, write ``results/ops.json``; 1 if a goal was missed."""
    chosen = [name for name in os.environ.get("OPS_PARTS", "").split(",") if name] or list(PARTS)
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
            results |= PARTS[name](server, valkey, Path(folder))
        results["postgresql"] = read_server_version(server.url)
    results["load_average"] = round(max(before, os.getloadavg()[0]), 1)
    write_results("ops", results)
    # Of a part that has never been measured here, no goal is judged.
    return judge_results(results, {key: goal for key, goal in GOALS.items() if key in results})


if __name__ == "__main__":
    raise SystemExit(main())
