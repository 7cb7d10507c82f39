"""What Prometheus scrapes: totals of the database and depths of the queues, read again at each scrape.

Counters are counted from rows that are never deleted, so they only grow, even when a process restarts. What
is older than a few minutes comes from the tables of days, so a scrape costs the same with any number of
flows. The names are the runbook's (``flow_status``, ``flow_duration_seconds_bucket``, ``flow_cost_usd``);
its queries spell counters without ``_total``, so those are sent under both names, the plain one untyped.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any

from django.db import connection
from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
    UntypedMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from orchestrator.core import database
from orchestrator.core.broker_client import open_broker
from orchestrator.core.registry import Registry
from orchestrator.core.sql import load_statements
from orchestrator.flows.models import Flow, Stage
from orchestrator.flows.timing import critical_path, estimates
from orchestrator.flows.worker import presence
from orchestrator.ops.observability import (
    adoption_metrics,
    exemplars,
    health_metrics,
    incident_metrics,
    part_health,
    quota_metrics,
    rollback_metrics,
)
from orchestrator.ops.rollups import facts, reading
from orchestrator.queues import list_queues

_SQL = load_statements(__file__)
# Well below Prometheus's ten seconds: a Redis that is away must not cost the scrape its other sources.
_REDIS_TIMEOUT_SECONDS = 2.0
_TIMED_FLOWS = 100
VERDICTS = ("passed", "failed", "errored")
TOKEN_KINDS = ("input", "cached", "output", "reasoning")
OUTCOMES = {"success": "passed", "failed": "failed", "cancelled": "cancelled"}
"""The runbook's words for how a flow ends, and ours."""
_SOURCE_SECONDS = 5.0
# Two read Redis alone, and must answer while the database is away. The third holds locks, which a longer
# transaction would hold longer.
_NOT_LIMITED = frozenset({"queues", "workers", "drift"})


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
    ends = {
        name: f"coalesce(sum(flows) FILTER (WHERE outcome = '{outcome}'), 0)"
        for name, outcome in OUTCOMES.items()
    }
    ended = reading.sum_facts(facts.FLOWS, ("repo", "block_family"), ends)
    # Ends are counted from events, because a retry takes a flow back from failed, and a counter must not
    # fall. Every outcome of every pair is sent from the first flow on: a series that is born with 1 has no
    # increase that Prometheus could see.
    labelled = reading.list_labelled_families()
    counts: Counter[tuple[str, ...]] = Counter()
    for row in ended:
        family = reading.label_family(row.block_family, labelled)
        for outcome in OUTCOMES:
            counts[outcome, row.repo, family] += int(getattr(row, outcome))
    yield from _name_twice(
        "flow_status",
        "Flows that ended, by outcome.",
        ["status", "repo", "block_family"],
        ((list(key), count) for key, count in counts.items()),
    )
    standing = GaugeMetricFamily("orchestrator_flows", "Flows by status, as they stand.", labels=["status"])
    for row in database.fetch_rows(_SQL["count_standing_flows"]):
        standing.add_metric([row.status], row.flows)
    # Nothing leaves this status, so the events say how many there are; the rows would be all flows.
    standing.add_metric(["passed"], sum(row.success for row in ended))
    yield standing


def _build_histogram(
    name: str,
    text: str,
    measure: str,
    bounds: Sequence[object],
    rows: Iterable[Any],
    sums: Mapping[str, float],
    examples: exemplars.Examples | None = None,
) -> Metric:
    """A histogram of one measure by repo; ``sums`` are what the flows of each repo add up to."""
    found: dict[str, Counter[float]] = {repo: Counter() for repo in sums}
    for row in rows:
        if row.measure == measure:
            found[row.repo][row.bound] += int(row.flows)
    family = HistogramMetricFamily(name, text, labels=["repo"])
    for repo, counts in found.items():
        within = accumulate(counts[float(str(bound))] for bound in bounds)
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for label, number in zip((*map(str, bounds), "+Inf"), (*within, counts.total()), strict=True):
            example = (examples or {}).get((repo, label))
            bucket = (label, float(number))
            buckets.append(bucket if example is None else (*bucket, example))
        family.add_metric([repo], buckets, sums[repo])
    return family


def durations_and_costs() -> Iterator[Metric]:
    """Measure how long the flows that passed took, what they cost, and how good their blocks are.

    No other end is final, and a histogram must not shrink.
    """
    spread = reading.sum_facts(facts.SPREAD, ("repo", "measure", "bound"), {"flows": "sum(flows)"})
    passed = {
        "seconds": "sum(seconds)::float8",
        "usd": "sum(usd)::float8",
        "blocks": "sum(blocks)::float8",
        "quality": "sum(quality)::float8",
    }
    sums = reading.sum_facts(facts.FLOWS, ("repo",), passed)
    yield _build_histogram(
        "flow_duration_seconds",
        "Seconds from creation to a verified block.",
        "seconds",
        facts.SECOND_BOUNDS,
        spread,
        {row.repo: row.seconds for row in sums},
        exemplars.find_examples(facts.SECOND_BOUNDS),
    )
    yield _build_histogram(
        "flow_cost_per_flow_usd",
        "USD of each flow that passed.",
        "usd",
        facts.USD_BOUNDS,
        spread,
        {row.repo: row.usd for row in sums},
    )
    quality = SummaryMetricFamily(
        "block_quality_score", "Scores of verified blocks, percent.", labels=["repo"]
    )
    for row in sums:
        quality.add_metric([row.repo], row.blocks, row.quality)
    yield quality


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
    names = ["provider", "model", "repo"]
    columns = ("settled", "released", "unknown", "outages", *(f"{kind}_tokens" for kind in TOKEN_KINDS))
    sums = {column: f"sum({column})::float8" for column in columns}
    rows = reading.sum_facts(facts.CALLS, names, sums)
    calls = CounterMetricFamily(
        "provider_calls_total", "Provider calls that ended.", labels=[*names, "status"]
    )
    outages = CounterMetricFamily(
        "provider_outages_total", "Calls that the provider did not answer.", labels=names
    )
    tokens = CounterMetricFamily("provider_tokens_total", "Tokens used, by kind.", labels=[*names, "kind"])
    for row in rows:
        who = [row.provider, row.model, row.repo]
        for status in ("settled", "released", "unknown"):
            calls.add_metric([*who, status], getattr(row, status))
        outages.add_metric(who, row.outages)
        for kind in TOKEN_KINDS:
            tokens.add_metric([*who, kind], getattr(row, f"{kind}_tokens"))
    yield from (calls, outages, tokens)
    labelled = reading.list_labelled_families()
    spent: Counter[tuple[str, ...]] = Counter()
    for row in reading.sum_facts(facts.CALLS, (*names, "block_family"), {"usd": "sum(usd)::float8"}):
        family = reading.label_family(row.block_family, labelled)
        spent[row.provider, row.model, row.repo, family] += row.usd
    yield from _name_twice(
        "flow_cost_usd",
        "USD spent on provider calls.",
        [*names, "block_family"],
        ((list(key), usd) for key, usd in spent.items()),
    )


def measure_gates() -> Iterator[Metric]:
    """Verdicts of the gates, and their scores."""
    sums = {column: f"sum({column})::float8" for column in (*VERDICTS, "scored", "score")}
    rows = reading.sum_facts(facts.GATES, ("gate", "repo"), sums)
    # Zeros, too: a series that is born with 1 has no increase that Prometheus could see.
    samples = [([row.gate, row.repo, verdict], getattr(row, verdict)) for row in rows for verdict in VERDICTS]
    yield from _name_twice(
        "quality_gate_result", "Reports of gates, by verdict.", ["gate", "repo", "result"], samples
    )
    scores = SummaryMetricFamily(
        "quality_gate_score", "Scores that gates measured, percent.", labels=["gate", "repo"]
    )
    for row in rows:
        if row.scored:
            scores.add_metric([row.gate, row.repo], row.scored, row.score)
    yield scores


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
    with open_broker(_REDIS_TIMEOUT_SECONDS) as client:
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
    "incidents": incident_metrics.measure_incidents,
    "rollbacks": rollback_metrics.measure_rollbacks,
    "kill_rates": health_metrics.measure_kill_rates,
    "replicas": part_health.measure_replicas,
    "expiries": part_health.measure_expiries,
    "disk": part_health.measure_disk,
    "repos": adoption_metrics.measure_repos,
    "people": adoption_metrics.measure_people,
    "terraform": adoption_metrics.measure_drift,
    "assumptions": adoption_metrics.show_assumptions,
}
# Of layers above this one, which nobody here knows.
FURTHER_SOURCES: Registry[Callable[[], Iterable[Metric]]] = Registry(
    "source of metrics", {"onboarding": "onboarding.metrics:measure_requests"}
)


def _read_source(name: str, source: Callable[[], Iterable[Metric]]) -> list[Metric]:
    """What a source says; a statement of it that takes too long costs this source and no other."""
    if name in _NOT_LIMITED:
        return list(source())
    with database.limit_statements(_SOURCE_SECONDS):
        return list(source())


class OrchestratorCollector(Collector):
    """Every source in turn. One that fails is reported as such, and does not take the others with it."""

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        up = GaugeMetricFamily(
            "orchestrator_source_up", "Whether a source of metrics could be read.", labels=["source"]
        )
        took = GaugeMetricFamily(
            "orchestrator_source_seconds", "How long a source of metrics took.", labels=["source"]
        )
        for name, source in (*SOURCES.items(), *FURTHER_SOURCES.items()):
            begun = time.monotonic()
            try:
                # A list, so that a source which fails halfway sends nothing instead of half of its metrics.
                found = _read_source(name, source)
            # The outermost edge of a scrape: a source that fails shows as a metric, not as a failed scrape.
            except Exception:  # noqa: BLE001
                up.add_metric([name], 0)
                continue
            up.add_metric([name], 1)
            took.add_metric([name], time.monotonic() - begun)
            yield from found
        yield from (up, took)
        # The exporter scrapes every few seconds; between scrapes it must not hold a connection of the pool.
        if not connection.in_atomic_block:
            connection.close()
