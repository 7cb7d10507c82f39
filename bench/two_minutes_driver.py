"""Creates flows of both versions in turn and measures those that have ended: ``python -m
bench.two_minutes_driver``.
"""

import json
import os
import statistics
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.peers.window import run_windowed, serve_requests  # noqa: E402 - Django comes first
from bench.two_minutes_draws import SCALE, draw_defects, sum_seconds  # noqa: E402
from orchestrator.core import database  # noqa: E402
from orchestrator.flows import engine  # noqa: E402
from orchestrator.flows.models import new_flow_id  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402

REPOS = 50
VERSIONS = ("one_by_one", "side_by_side")
PASSED = "SELECT count(*) AS n FROM flows_flow WHERE id > %(since)s AND status = 'passed'"
ENDED = """
SELECT f.flow_type, f.feature_request, extract(epoch FROM f.finished_at - f.created_at)::float8 AS seconds,
    f.cost_usd::float8 AS usd, (SELECT max(s.round) FROM flows_stage s WHERE s.flow_id = f.id) - 1 AS repairs
FROM flows_flow f WHERE f.id > %(since)s AND f.status = 'passed'
"""


def run(count: int) -> dict[str, Any]:
    """``count`` flows of each version, with what the database says about them."""
    repos = [Repo.objects.get_or_create(name=f"repo-{number:02}")[0] for number in range(REPOS)]
    since = new_flow_id()
    time.sleep(0.002)  # ids of one millisecond are in no order

    def start(number: int) -> None:
        flow, version = number // 2, VERSIONS[number % 2]
        request = json.dumps({"flow": flow, "edits": version == "side_by_side"})
        engine.create(repos[flow % REPOS], request, flow_type=version)

    measured = run_windowed(
        2 * count,
        start,
        lambda: int(database.fetch_rows(PASSED, {"since": since})[0].n),
        int(os.environ["FLIGHT"]),
    )
    figures: dict[str, Any] = {**measured, "flows": count}
    for number, version in enumerate(VERSIONS, 1):
        figures |= {f"{key}_v{number}": value for key, value in describe_version(version, since).items()}
    return figures


def describe_version(version: str, since: str) -> dict[str, float]:
    """Seconds of the draw, USD and repairs of the flows of one version; what the engine added to the draw."""
    rows = [row for row in database.fetch_rows(ENDED, {"since": since}) if row.flow_type == version]
    took = [row.seconds / SCALE for row in rows]
    flows = [json.loads(row.feature_request)["flow"] for row in rows]
    drawn = [sum_seconds(flow, side_by_side=version == "side_by_side") for flow in flows]
    own = [(real - ideal) / real for real, ideal in zip(took, drawn, strict=True)]
    return {
        "p50_s": statistics.median(took),
        "p95_s": statistics.quantiles(took, n=20)[-1],
        "drawn_p50_s": statistics.median(drawn),
        "drawn_p95_s": statistics.quantiles(drawn, n=20)[-1],
        "usd_per_flow": statistics.mean(row.usd for row in rows),
        "repairs": float(sum(row.repairs for row in rows)),
        "defective": float(sum(draw_defects(flow).gate_rounds > 0 for flow in flows)),
        "own_time_share": statistics.mean(own),
    }


if __name__ == "__main__":
    serve_requests(run)
