"""What Prometheus scrapes of onboarding: requests by phase and status, and how long they take."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily

from onboarding.models import OnboardingStatus
from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.ops.dashboards import onboardings
from orchestrator.repos.models import Phase

_SQL = load_statements(__file__)


def measure_requests() -> Iterator[Metric]:
    """Requests, and the seconds from submit to ready. Zeros, too: a chart must tell none from not known."""
    requests = GaugeMetricFamily(
        "orchestrator_onboarding_requests", "Requests for repos.", labels=["phase", "status"]
    )
    found = {(row.phase, row.status): row.requests for row in database.fetch_rows(_SQL["count_requests"])}
    for phase in Phase.values:
        for status in OnboardingStatus.values:
            requests.add_metric([phase, status], found.get((phase, status), 0))
    yield requests
    seconds = GaugeMetricFamily(
        "orchestrator_onboarding_seconds",
        "Median seconds from submit to ready, of the requests that became ready in 30 days.",
        labels=["phase"],
    )
    # No zero here: a phase without a ready request has no time.
    for row in database.fetch_rows(_SQL["measure_time_to_ready"]):
        seconds.add_metric([row.phase], row.seconds)
    yield seconds
    yield from _measure_parts()


def _measure_parts() -> Iterator[Metric]:
    """How long repos took that became ready, in two parts. Sums since the first day: they only grow."""
    rows = onboardings.sum_ready()
    ready = sum(row.ready for row in rows)
    work = SummaryMetricFamily(
        "orchestrator_onboarding_work_seconds",
        "Seconds from submit to ready that the product took: approval and the wait for the day aside.",
    )
    work.add_metric([], count_value=ready, sum_value=sum(row.work_seconds for row in rows))
    yield work
    approval = SummaryMetricFamily(
        "orchestrator_onboarding_approval_seconds",
        "Seconds from the question to the team lead to the yes, of the repos that became ready.",
    )
    approval.add_metric([], count_value=ready, sum_value=sum(row.approval_seconds for row in rows))
    yield approval
