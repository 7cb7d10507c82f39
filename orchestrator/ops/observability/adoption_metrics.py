"""Repos and people, as the adoption dashboard shows them, and what the ROI dashboard assumes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from orchestrator.ops.rollups import facts, reading
from orchestrator.ops.rollups.reading import CountScope
from orchestrator.repos.models import Phase

_ACTIVE_DAYS: Final = 7
_SQL = load_statements(__file__)


def measure_repos() -> Iterator[Metric]:
    """Repos by phase and state. Zeros, too: an alert or a chart must tell none from not known."""
    family = GaugeMetricFamily("orchestrator_repos", "Registered repos.", labels=["phase", "state"])
    counts = {(row.phase, row.state): row.repos for row in database.fetch_rows(_SQL["count_repos"])}
    for phase in Phase.values:
        for state in ("enabled", "disabled"):
            family.add_metric([phase, state], counts.get((phase, state), 0))
    yield family


def measure_drift() -> Iterator[Metric]:
    """How many onboarded repos differ from what Terraform has made for them, as of the last nightly plan."""
    (found,) = database.fetch_rows(_SQL["count_drifted"])
    yield GaugeMetricFamily(
        "orchestrator_onboarding_drifted",
        "Repos whose paging or dashboard was changed outside of Terraform.",
        value=found.drifted,
    )


def measure_people() -> Iterator[Metric]:
    """How many people and tokens started flows lately. Their names are not labels: they are not bounded."""
    first = timezone.now().date() - timedelta(days=_ACTIVE_DAYS - 1)
    (found,) = reading.sum_facts(
        facts.STARTERS, (), {"people": "count(DISTINCT starter)"}, CountScope(first=first)
    )
    yield GaugeMetricFamily(
        "orchestrator_active_users", f"Who started a flow in {_ACTIVE_DAYS} days.", value=found.people
    )


def show_assumptions() -> Iterator[Metric]:
    """What the return on spend is computed with, so that dashboards compute it alike."""
    yield GaugeMetricFamily(
        "orchestrator_roi_hours_per_block",
        "Hours that people need for a block.",
        value=float(settings.ROI_HOURS_PER_BLOCK),
    )
    yield GaugeMetricFamily(
        "orchestrator_roi_hourly_rate_usd",
        "USD that such an hour costs.",
        value=float(settings.ROI_HOURLY_RATE_USD),
    )
