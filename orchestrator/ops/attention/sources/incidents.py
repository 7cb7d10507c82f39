"""Incidents that are not over, and what is late of those that are."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from orchestrator.ops.attention.need import MOST, Need, NeedSource, Urgency
from orchestrator.ops.dashboards.numbers import format_duration
from orchestrator.ops.incidents.models import ActionItem, Incident, IncidentReview, IncidentStatus


def _list_incidents(now: datetime) -> Iterator[Need]:
    rows = Incident.objects.exclude(status=IncidentStatus.RESOLVED).order_by("severity", "-id")
    for one in rows[:MOST]:
        age = format_duration((now - one.detected_at).total_seconds())
        if one.status == IncidentStatus.OPEN:
            detail, urgency = f"nobody has acknowledged the page, for {age}", Urgency.NOW
        else:
            detail, urgency = f"{one.acknowledged_by} leads it, for {age}", Urgency.TODAY
        href = reverse("admin:incidents_incident_change", args=[one.pk])
        yield Need(urgency, f"{one.severity} incident {one.pk}: {one.title}", detail, href)


def _list_reviews(now: datetime) -> Iterator[Need]:
    overdue = IncidentReview.objects.filter(finished_at=None, due_at__lt=now).select_related("incident")
    for review in overdue.order_by("due_at")[:MOST]:
        late = format_duration((now - review.due_at).total_seconds())
        href = reverse("admin:incidents_incidentreview_change", args=[review.pk])
        words = f"The review of incident {review.incident.pk} is overdue"
        yield Need(Urgency.TODAY, words, f"{review.incident.title}; {late} late", href)


def _list_action_items(now: datetime) -> Iterator[Need]:
    overdue = ActionItem.objects.filter(done_at=None, due__lt=now.date()).order_by("due")
    for item in overdue[:MOST]:
        href = reverse("admin:incidents_actionitem_change", args=[item.pk])
        yield Need(Urgency.KNOWN, f"{item.owner} is late: {item.text}", f"due {item.due:%Y-%m-%d}", href)


INCIDENTS = NeedSource("incidents.view_incident", _list_incidents)
REVIEWS = NeedSource("incidents.view_incidentreview", _list_reviews)
ACTION_ITEMS = NeedSource("incidents.view_actionitem", _list_action_items)
