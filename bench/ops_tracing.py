"""What tracing costs a flow: the same flows at the same time on two engines, one of which sends traces.

Stages take the time that ``two_minutes_draws`` says, so both engines run the same draw, and what a busy
machine adds is added to both. The overhead is the difference of their own time, as a share of a flow's time.
"""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import engine_arms as arms
from bench.engine_parts import compose_model_settings
from bench.private_postgres import Server
from bench.scale import choose_size
from orchestrator.dev.collector import CollectedSpan, Collector, run_collector

FLOWS = choose_size(full=40, small=3)
"""Of each version of the flow type, on each engine."""
QUEUES = "google,anthropic,openai,gates,control"
# What a traced flow has at least: its own span, its creation, seven stages, five calls.
_LEAST_SPANS = 14
_PATIENCE_SECONDS = 15.0


def count_whole_traces(spans: Sequence[CollectedSpan]) -> int:
    """How many traces have the span of a whole flow, and as many others as a flow leaves at least."""
    sizes = Counter(span.trace_id for span in spans)
    flows = {span.trace_id for span in spans if span.name == "orchestrator_flow"}
    return sum(sizes[trace_id] >= _LEAST_SPANS for trace_id in flows)


def wait_for_traces(collector: Collector, flows: int) -> None:
    """Processes send about once a second, and those that are stopped at once would send no more."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while count_whole_traces(list(collector.spans)) < flows and time.monotonic() < end:
        time.sleep(0.2)


def start_arm(name: str, broker: int, servers: arms.Servers, **more: str) -> arms.Arm:
    """A worker for all queues, the dispatcher, and the driver, on a database of their own."""
    url = servers.require_migrated_database(name)
    own = {"ENGINE_PLUGINS": "bench.two_minutes_plugin", "FLIGHT": str(2 * FLOWS)}
    own |= {f"{queue.upper()}_SLOTS": "256" for queue in QUEUES.split(",")}
    own |= {"FLOW_DEADLINE_SECONDS": "3600", "FLOW_MAX_COST_USD": "50", **more}
    environment = arms.compose_environment(servers, url, **own, **servers.models)
    # Queues have the same names, so each engine has a database of the broker for itself.
    environment["REDIS_URL"] = f"{servers.valkey.removesuffix('/0')}/{broker}"
    arm = arms.Arm(name, servers, environment)
    arms.start_worker(arm, "one", "orchestrator", QUEUES, choose_size(full="96", small="16"))
    arm.start("dispatcher", sys.executable, "manage.py", "dispatcher")
    arm.drive(sys.executable, "-m", "bench.two_minutes_driver")
    arm.wait_for_line("one", " ready.")
    return arm


def measure_tracing(server: Server, valkey: str, folder: Path) -> dict[str, Any]:
    """The figures of this part."""
    with (
        contextlib.closing(arms.Servers(server.url, valkey, folder)) as servers,
        run_collector() as collector,
        ThreadPoolExecutor(2) as threads,
    ):
        servers.models = compose_model_settings({})
        with (
            start_arm("plain", 1, servers) as plain,
            start_arm("traced", 2, servers, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint) as traced,
        ):
            without, measured = threads.map(lambda arm: arm.run(FLOWS), (plain, traced))
            wait_for_traces(collector, 2 * FLOWS)
        spans = list(collector.spans)
    flows = 2 * FLOWS
    shares = [
        measured[f"own_time_share_v{version}"] - without[f"own_time_share_v{version}"] for version in (1, 2)
    ]
    return {
        "tracing_overhead": round(sum(shares) / 2, 4),
        "tracing_flows": flows,
        "tracing_spans_per_flow": round(len(spans) / flows, 1),
        "tracing_flows_without_spans": flows - count_whole_traces(spans),
        "own_time_share_traced": round(measured["own_time_share_v2"], 4),
        "own_time_share_untraced": round(without["own_time_share_v2"], 4),
    }
