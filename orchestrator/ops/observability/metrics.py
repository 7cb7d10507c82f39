"""What Prometheus scrapes: totals of the database and depths of the queues, read again at each scrape.

Counters are counted from rows that are never deleted, so they only grow, even when a process restarts. The
names are the runbook's (``flow_status``, ``flow_duration_seconds_bucket``, ``flow_cost_usd``); its queries
spell counters without ``_total``, so those are sent under both names, the plain one untyped.
"""

import statistics
from collections.abc import Iterable, Iterator
from datetime import timedelta

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UntypedMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.timing import critical_path, estimates
from orchestrator.flows.worker import presence
from orchestrator.ops.observability import exemplars, health_metrics, part_health, quota_metrics
from orchestrator.queues import list_queues

_SQL = load_statements(__file__)
# Seconds. 120 and 150 are the runbook's limits: a quantile is exact only at the bound of a bucket.
BUCKETS = (5, 10, 20, 30, 45, 60, 90, 120, 150, 180, 240, 300, 600, 1200, 3600)
# USD, as text, because a float would change the label; 2 is the runbook's limit.
COST_BUCKETS = ("0.05", "0.1", "0.25", "0.5", "1", "1.5", "2", "3", "5", "10")
# Well below Prometheus's ten seconds: a Redis that is away must not cost the scrape its other sources.
_REDIS_TIMEOUT_SECONDS = 2.0
_TIMED_FLOWS = 100
VERDICTS = ("passed", "failed", "errored")
OUTCOMES = ("success", "failed", "cancelled")


def _fetch_rows(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _label_values(*values: object) -> list[str]:
    return [str(value) for value in values]


def _to_number(value: object) -> float:
    return float(str(value))


def _name_twice(
    name: str, text: str, labels: list[str], samples: Iterable[tuple[list[str], float]]
) -> Iterator[Metric]:
    """A counter under the runbook's name and under the one that Prometheus's conventions want."""
    # Untyped, because a counter family would add ``_total`` to the plain name.
    plain, total = (
        UntypedMetricFamily(name, text, labels=labels),
        CounterMetricFamily(f"{name}_total", text, labels=labels),
    )
    for values, number in samples:
        plain.add_metric(values, number)
        total.add_metric(values, number)
    yield from (plain, total)


def measure_flows() -> Iterator[Metric]:
    """Flows as they stand, and how many ended in which way."""
    standing = GaugeMetricFamily("orchestrator_flows", "Flows by status, as they stand.", labels=["status"])
    for status, number in _fetch_rows("SELECT status, count(*) FROM flows_flow GROUP BY status"):
        standing.add_metric(_label_values(status), _to_number(number))
    yield standing
    # Ends are counted from events, because a retry takes a flow back from failed, and a counter must not
    # fall. Every outcome of every pair is sent from the first flow on: a series that is born with 1 has no
    # increase that Prometheus could see.
    ended = database.fetch_rows(_SQL["count_flow_ends"])
    samples = [
        (_label_values(outcome, repo, family), _to_number(count))
        for repo, family, *counts in ended
        for outcome, count in zip(OUTCOMES, counts, strict=True)
    ]
    yield from _name_twice(
        "flow_status", "Flows that ended, by outcome.", ["status", "repo", "block_family"], samples
    )


def _build_histogram(
    name: str,
    text: str,
    value: str,
    bounds: Iterable[object],
    where: str,
    examples: exemplars.Examples | None = None,
) -> Metric:
    found = list(bounds)
    # PostgreSQL counts each bucket, so that a scrape costs one row a repo and not one a flow.
    columns = ", ".join(f"count(*) FILTER (WHERE {value} <= {bound})" for bound in found)
    rows = _fetch_rows(f"""SELECT r.repo_name, {columns}, count(*), coalesce(sum({value}), 0)
        FROM flows_flow f JOIN repos r ON r.id = f.repo_id WHERE {where} GROUP BY 1""")  # noqa: S608
    family = HistogramMetricFamily(name, text, labels=["repo"])
    for repo, *counts, count, total in rows:
        labels = (*(str(bound) for bound in found), "+Inf")
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for label, number in zip(labels, (*counts, count), strict=True):
            example = (examples or {}).get((str(repo), label))
            bucket = (label, _to_number(number))
            buckets.append(bucket if example is None else (*bucket, example))
        family.add_metric(_label_values(repo), buckets, _to_number(total))
    return family


def durations_and_costs() -> Iterator[Metric]:
    """Measure how long the flows that passed took and what they cost.

    No other end is final, and a histogram must not shrink.
    """
    seconds, ended = "extract(epoch FROM f.finished_at - f.created_at)", "f.status = 'passed'"
    yield _build_histogram(
        "flow_duration_seconds",
        "Seconds from creation to a verified block.",
        seconds,
        BUCKETS,
        ended,
        exemplars.find_examples(BUCKETS),
    )
    yield _build_histogram(
        "flow_cost_per_flow_usd", "USD of each flow that passed.", "f.cost_usd", COST_BUCKETS, ended
    )


def measure_timing() -> Iterator[Metric]:
    """How far the stages of the newest flows ran side by side, and how long their critical paths were.

    Gauges over the last hour, of at most 100 flows: a path is computed from rows, and a scrape must stay
    cheap.
    """
    recent = Flow.objects.filter(status="passed", finished_at__gt=timezone.now() - timedelta(hours=1))
    newest = list(recent.order_by("-finished_at")[:_TIMED_FLOWS])
    stages: dict[str, list[Stage]] = {flow.pk: [] for flow in newest}
    rows = Stage.objects.filter(flow__in=newest).order_by("position").prefetch_related("attempts")
    for stage in rows.defer("output", "feedback"):
        stages[stage.flow_id].append(stage)
    timings = [critical_path.measure_flow(flow, stages[flow.pk]) for flow in newest]
    overlap = GaugeMetricFamily(
        "stage_overlap", "Seconds of all stages over seconds in which any ran, of the flows of the last hour."
    )
    path = GaugeMetricFamily(
        "critical_path_seconds",
        "Seconds of the critical paths of the last hour's flows.",
        labels=["quantile"],
    )
    if timings:
        overlap.add_metric([], statistics.mean(timing.overlap for timing in timings))
        seconds = [timing.seconds for timing in timings]
        # One value has no quantiles; it stands for all of them.
        cuts = statistics.quantiles(seconds, n=20) if len(seconds) > 1 else seconds * 19
        path.add_metric(["0.5"], cuts[9])
        path.add_metric(["0.95"], cuts[18])
    yield from (overlap, path)


def measure_models() -> Iterator[Metric]:
    """How fast the models answered lately, by kind of stage and model."""
    latency = GaugeMetricFamily(
        "model_latency_seconds", "Seconds of the newest calls.", labels=["stage", "model", "quantile"]
    )
    speed = GaugeMetricFamily(
        "model_tokens_per_second", "Output tokens a second of the newest calls.", labels=["stage", "model"]
    )
    for row in estimates.measure_models():
        latency.add_metric([row.kind, row.model, "0.5"], row.p50)
        latency.add_metric([row.kind, row.model, "0.95"], row.p95)
        speed.add_metric([row.kind, row.model], row.tokens_per_second)
    yield from (latency, speed)


def measure_calls() -> Iterator[Metric]:
    """What the providers were asked for: calls, tokens, USD."""
    rows = database.fetch_rows(_SQL["sum_provider_calls"])
    names = ["provider", "model", "repo"]
    cost: dict[tuple[str, ...], float] = {}
    number = CounterMetricFamily(
        "provider_calls_total", "Provider calls that ended.", labels=[*names, "status"]
    )
    tokens: dict[tuple[str, ...], float] = {}
    for provider, model, repo, status, count, *kinds, usd in rows:
        who = (str(provider), str(model), str(repo))
        # A reserved call is not a call that ended; it becomes one when it is settled.
        if status != "reserved":
            number.add_metric([*who, str(status)], _to_number(count))
        cost[who] = cost.get(who, 0) + _to_number(usd)
        for kind, used in zip(("input", "cached", "output", "reasoning"), kinds, strict=True):
            tokens[*who, kind] = tokens.get((*who, kind), 0) + _to_number(used)
    yield number
    # The rows are one for each status, so tokens and USD are added up over the statuses.
    used_tokens = CounterMetricFamily(
        "provider_tokens_total", "Tokens used, by kind.", labels=[*names, "kind"]
    )
    for key, value in tokens.items():
        used_tokens.add_metric(list(key), value)
    yield used_tokens
    yield from _name_twice(
        "flow_cost_usd",
        "USD spent on provider calls.",
        names,
        ((list(who), usd) for who, usd in cost.items()),
    )


def measure_gates() -> Iterator[Metric]:
    """Verdicts of the gates."""
    counts = {
        (gate, verdict): count
        for gate, verdict, count in _fetch_rows(
            "SELECT gate, verdict, count(*) FROM flows_gateresult GROUP BY 1, 2"
        )
    }
    # Zeros, too: a series that is born with 1 has no increase that Prometheus could see.
    known = sorted({str(gate) for gate, _ in counts})
    samples = [
        ([gate, verdict], _to_number(counts.get((gate, verdict), 0)))
        for gate in known
        for verdict in VERDICTS
    ]
    yield from _name_twice(
        "quality_gate_result", "Reports of gates, by verdict.", ["gate", "result"], samples
    )


def measure_waiting() -> Iterator[Metric]:
    """Work that waits: stages by queue and status, and how long the oldest of them has."""
    rows = database.fetch_rows(_SQL["count_live_stages"])
    stages = GaugeMetricFamily(
        "orchestrator_stages", "Live stages by queue and status.", labels=["queue", "status"]
    )
    oldest = GaugeMetricFamily(
        "orchestrator_oldest_stage_seconds", "Age of the oldest live stage.", labels=["queue", "status"]
    )
    for queue, status, count, age in rows:
        stages.add_metric(_label_values(queue, status), _to_number(count))
        oldest.add_metric(_label_values(queue, status), max(0.0, _to_number(age)))
    yield from (stages, oldest)


def measure_queues() -> Iterator[Metric]:
    """Messages in Redis, which Celery keeps as one list for each queue."""
    depth = GaugeMetricFamily("orchestrator_queue_depth", "Messages in a queue.", labels=["queue"])
    timeout = _REDIS_TIMEOUT_SECONDS
    # A client for each scrape: a kept connection may be half open after a failover.
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout, socket_connect_timeout=timeout
    ) as client:
        for queue in list_queues():
            depth.add_metric([queue], int(client.llen(queue)))
    yield depth


def measure_workers() -> Iterator[Metric]:
    """Workers by queue: those that beat, and those that have stopped to (frozen or killed)."""
    family = GaugeMetricFamily(
        "orchestrator_workers", "Workers by queue: beating or silent.", labels=["queue", "state"]
    )
    # Zeros, too: a queue without a worker is what an alert asks for.
    for queue, found in presence.count_workers().items():
        family.add_metric([queue, "beating"], found.beating)
        family.add_metric([queue, "silent"], found.silent)
    yield family


SOURCES = {
    "flows": measure_flows,
    "durations_and_costs": durations_and_costs,
    "timing": measure_timing,
    "models": measure_models,
    "calls": measure_calls,
    "gates": measure_gates,
    "waiting": measure_waiting,
    "queues": measure_queues,
    "workers": measure_workers,
    "quotas": quota_metrics.measure_quotas,
    "drift": quota_metrics.measure_drift,
    "queued": quota_metrics.measure_queued,
    "connections": health_metrics.measure_connections,
    "outgoing_events": health_metrics.measure_outgoing_events,
    "kill_rates": health_metrics.measure_kill_rates,
    "replicas": part_health.measure_replicas,
    "expiries": part_health.measure_expiries,
    "disk": part_health.measure_disk,
}


class OrchestratorCollector(Collector):
    """Every source in turn. One that fails is reported as such, and does not take the others with it."""

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        up = GaugeMetricFamily(
            "orchestrator_source_up", "Whether a source of metrics could be read.", labels=["source"]
        )
        for name, source in SOURCES.items():
            try:
                # A list, so that a source which fails halfway sends nothing instead of half of its metrics.
                found = list(source())
            # The outermost edge of a scrape: a source that fails shows as a metric, not as a failed scrape.
            except Exception:  # noqa: BLE001
                up.add_metric([name], 0)
                continue
            up.add_metric([name], 1)
            yield from found
        yield up
        # The exporter scrapes every few seconds; between scrapes it must not hold a connection of the pool.
        if not connection.in_atomic_block:
            connection.close()
