"""Incidents as Prometheus sees them: what is open, what takes too long, and reviews that are overdue."""

from collections.abc import Iterator

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from orchestrator.ops.incidents.models import Incident, IncidentReview, IncidentSeverity, IncidentStatus


def measure_incidents() -> Iterator[Metric]:
    """Open incidents by severity and status, and overdue reviews. Zeros, too: none is not unknown."""
    family = GaugeMetricFamily(
        "orchestrator_incidents_open", "Incidents that are not resolved.", labels=["severity", "status"]
    )
    rows = Incident.objects.exclude(status=IncidentStatus.RESOLVED).values("severity", "status")
    # Without an order: the model's own would be part of the grouping.
    counts = {(row["severity"], row["status"]): row["n"] for row in rows.annotate(n=Count("pk")).order_by()}
    for severity in IncidentSeverity.values:
        for status in (IncidentStatus.OPEN.value, IncidentStatus.ACKNOWLEDGED.value):
            family.add_metric([severity, status], counts.get((severity, status), 0))
    yield family
    overdue = IncidentReview.objects.filter(Q(finished_at=None) & Q(due_at__lt=timezone.now())).count()
    yield GaugeMetricFamily(
        "orchestrator_incident_reviews_overdue",
        "Reviews of incidents that should be finished.",
        value=overdue,
    )
