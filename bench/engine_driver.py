"""Creates flows of the orchestrator as its web process does, and counts those that have ended: ``python -m
bench.engine_driver``.
"""

import os
import statistics
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.peers.window import run_windowed, serve_requests  # noqa: E402 - Django comes first
from orchestrator.core import database  # noqa: E402
from orchestrator.flows import engine  # noqa: E402
from orchestrator.flows.models import new_flow_id  # noqa: E402
from orchestrator.repos.models import Repo  # noqa: E402

PASSED = "SELECT count(*) AS n FROM flows_flow WHERE id > %(since)s AND status = 'passed'"

STEPS = """
SELECT 1000 * extract(epoch FROM n.started_at - s.started_at)::float8 AS ms
FROM flows_stage s JOIN flows_stage n ON n.flow_id = s.flow_id AND n.position = s.position + 1
WHERE s.flow_id > %(since)s
"""
OWN = """
SELECT (extract(epoch FROM f.finished_at - f.created_at)::float8 * 1000 - c.ms) / c.ms AS share
FROM flows_flow f CROSS JOIN LATERAL (
    SELECT sum(latency_ms)::float8 AS ms FROM providers_providercall p WHERE p.flow_id = f.id) c
WHERE f.id > %(since)s AND c.ms > 0
"""


def run(count: int) -> dict[str, Any]:
    """``count`` flows of the type ``FLOW_TYPE``, at most ``FLIGHT`` at once; with what the database says
    about them.
    """
    repo, _ = Repo.objects.get_or_create(name="bench")
    flow_type = os.environ["FLOW_TYPE"]
    since = new_flow_id()
    time.sleep(0.002)  # ids of one millisecond are in no order
    measured = run_windowed(
        count,
        lambda _: engine.create(repo, "Nothing.", flow_type=flow_type),
        lambda: int(database.fetch_rows(PASSED, {"since": since})[0].n),
        int(os.environ["FLIGHT"]),
    )
    return {**measured, **timings(since)}


def timings(since: str) -> dict[str, float]:
    """Milliseconds from start to start of stages; own time of flows as a share of their model calls."""
    steps = [row.ms for row in database.fetch_rows(STEPS, {"since": since})]
    own = [row.share for row in database.fetch_rows(OWN, {"since": since})]
    found = {}
    if len(steps) > 1:
        found = {
            "step_ms_p50": statistics.median(steps),
            "step_ms_p95": statistics.quantiles(steps, n=20)[-1],
        }
    if own:
        found |= {"own_time_share": statistics.mean(own), "own_time_share_worst": max(own)}
    return found


if __name__ == "__main__":
    serve_requests(run)
