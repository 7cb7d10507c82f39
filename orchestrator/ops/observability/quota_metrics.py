"""Quotas, breakers and the daily budget as Prometheus sees them, and flows that wait for too long.

``provider_quota_used_ratio`` is what the thresholds of 0.70, 0.85 and 0.95 are compared with.
``provider_ledger_drift`` counts limiter counters that disagree with the ledger: any number except 0 is an
internal defect.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from providers import audit, quota_report
from providers.breaker import QuotaLevel
from providers.quota_report import ProviderQuota

_BREAKER: Final = {"closed": 0.0, "half-open": 0.5, "open": 1.0}
_SQL = load_statements(__file__)


def measure_quotas() -> Iterator[Metric]:
    """Measure limits, use, breaker and pause of each provider, and the daily budget."""
    found = quota_report.read_quotas()
    for name, text, read in (
        ("quota_tokens_used", "Tokens of the last 24 hours.", lambda one: one.used),
        ("quota_tokens_reserved", "Tokens set aside for calls under way.", lambda one: one.reserved),
        ("quota_tokens_limit", "Tokens allowed in 24 hours.", lambda one: one.limit),
        ("quota_used_ratio", "Used tokens over the daily quota.", lambda one: one.used / one.limit),
        (
            "quota_rollback",
            "1 while so much of the daily quota is used that the rollout is to be rolled back.",
            lambda one: float(one.level is QuotaLevel.ROLLBACK),
        ),
        ("paused", "1 while an operator has paused the provider.", lambda one: float(one.paused)),
        (
            "account_exhausted",
            "1 while the provider refuses because the account has no money; only people can end it.",
            lambda one: float(one.account_exhausted),
        ),
        ("admits", "1 while a small call would be admitted.", lambda one: float(one.next_capacity.admits)),
        ("breaker", "Health breaker: 0 closed, 0.5 half-open, 1 open.", lambda one: _BREAKER[one.breaker]),
        (
            "not_before_timestamp_seconds",
            "Until when the provider asked to wait; 0: it did not.",
            lambda one: one.not_before.timestamp() if one.not_before else 0.0,
        ),
        ("unknown_calls", "Calls of 24 hours whose use was never learned.", lambda one: one.unknown_calls),
        ("unknown_usd", "USD charged for them.", lambda one: float(one.unknown_usd)),
    ):
        # One family for each number, with a sample for each provider: Prometheus refuses a family that comes
        # twice.
        family = GaugeMetricFamily(f"provider_{name}", text, labels=["provider"])
        for one in found.providers:
            family.add_metric([one.provider], float(read(one)))  # type: ignore[no-untyped-call]
        yield family
    yield _measure_rates(found.providers)
    for kind, usd in (("spent", found.usd_used), ("limit", found.usd_limit)):
        yield GaugeMetricFamily(
            f"orchestrator_budget_{kind}_usd", f"Daily budget: {kind}, USD in 24 hours.", value=float(usd)
        )


def _measure_rates(providers: tuple[ProviderQuota, ...]) -> Metric:
    """Every short window in one family, so that one expression finds the fullest of them."""
    family = GaugeMetricFamily(
        "provider_limit_ratio", "What stands against a limit, over it.", labels=["provider", "dimension"]
    )
    for one in providers:
        ratios = {
            "tokens_day": (one.used + one.reserved) / one.limit,
            "tokens_minute": one.tokens_minute / one.tokens_minute_limit,
            "requests_minute": one.requests_minute / one.requests_minute_limit,
            "concurrency": one.inflight / one.concurrency_limit,
        }
        for dimension, ratio in ratios.items():
            family.add_metric([one.provider, dimension], ratio)
    return family


def measure_drift() -> Iterator[Metric]:
    """Counters that disagree with the ledger. Each provider is locked for milliseconds."""
    # A scrape comes every few seconds: what has been idle was compared while it was not.
    differences = audit.find_differences(idle_hours=1)
    wrong = Counter(_label_difference(found.provider) for found in differences)
    family = GaugeMetricFamily(
        "provider_ledger_drift", "Limiter counters that disagree with the ledger.", labels=["provider"]
    )
    # A zero for each provider, so that an alert can tell "no drift" from "not measured".
    for name in (*quota_report.provider_names(), "budget", "repos"):
        family.add_metric([name], float(wrong[name]))
    yield family


def _label_difference(provider: str) -> str:
    """Whose counter it is: a provider, the budget over all of them, or one of the repos."""
    if provider.startswith(audit.REPO_PREFIX):
        return "repos"
    return provider or "budget"


def measure_queued() -> Iterator[Metric]:
    """Flows that have been queued or waiting for over five minutes: the runbook's watch on concurrency."""
    late = GaugeMetricFamily(
        "orchestrator_flows_queued_over_5m",
        "Flows whose stage has been queued for over 5 minutes.",
        labels=["queue", "status"],
    )
    oldest = GaugeMetricFamily(
        "orchestrator_flow_queued_seconds_max", "The longest such wait.", labels=["queue", "status"]
    )
    for row in list_late_stages():
        late.add_metric([row.queue, row.status], float(row.late))
        oldest.add_metric([row.queue, row.status], max(0.0, row.oldest))
    yield from (late, oldest)


def list_late_stages() -> list[Any]:
    """For each queue and status, how many stages have been there for over five minutes (``late``)."""
    return database.fetch_rows(_SQL["count_late_stages"])
