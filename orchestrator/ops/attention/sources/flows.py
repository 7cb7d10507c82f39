"""Flows that are stuck, held or paused."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse

from orchestrator.flows.models import Flow, Hold, Stage
from orchestrator.flows.models.states import FLOW_OPEN, FlowStatus, StageStatus
from orchestrator.ops.attention.need import MOST, Need, NeedSource, Urgency, word_number
from orchestrator.ops.dashboards.numbers import format_duration

STUCK_SECONDS: Final = 600.0
"""What has been ready for so long finds no worker; what is overdue for so long nobody swept up."""


def _list_stuck_flows(now: datetime) -> Iterator[Need]:
    """Those that the dispatcher should have moved long ago, so that something is broken."""
    late = now - timedelta(seconds=STUCK_SECONDS)
    overdue = Flow.objects.filter(status__in=FLOW_OPEN, deadline_at__lt=late).order_by("deadline_at")
    for flow in overdue.select_related("repo")[:MOST]:
        detail = "its deadline has passed and nobody has ended it: is the dispatcher alive?"
        yield Need(
            Urgency.NOW, f"{flow.pk} of {flow.repo.name} is stuck", detail, reverse("flow", args=[flow.pk])
        )
    ready = Stage.objects.filter(status=StageStatus.READY, ready_at__lt=late)
    ready = ready.exclude(flow__status=FlowStatus.PAUSED).order_by("id")
    # What is sent and what is not have an index each, and no index has both.
    for unsent in (True, False):
        for stage in ready.filter(sent_at__isnull=unsent)[:MOST]:
            since = format_duration((now - (stage.ready_at or now)).total_seconds())
            detail = f"{stage.kind} has been ready for {since}: does a worker of {stage.queue} answer?"
            href = reverse("flow", args=[stage.flow_id])
            yield Need(Urgency.NOW, f"{stage.flow_id} is stuck", detail, href)
    lost = Stage.objects.filter(status=StageStatus.RUNNING, lease_until__lt=late).order_by("lease_until")
    for stage in lost[:MOST]:
        detail = f"{stage.kind} ran on a worker that is gone, and nobody took it back"
        yield Need(Urgency.NOW, f"{stage.flow_id} is stuck", detail, reverse("flow", args=[stage.flow_id]))


def _list_holds(now: datetime) -> Iterator[Need]:
    for hold in Hold.objects.order_by("id")[:MOST]:
        age = format_duration((now - hold.created_at).total_seconds())
        by = f" by {hold.actor}" if hold.actor else ""
        words = f"{str(hold).capitalize()} is on hold"
        href = reverse("admin:flows_hold_changelist")
        yield Need(Urgency.TODAY, words, f"{hold.reason or 'no reason given'}{by}, for {age}", href)


def _list_paused_flows(now: datetime) -> Iterator[Need]:  # noqa: ARG001 - every source is asked alike
    paused = Flow.objects.filter(status=FlowStatus.PAUSED).order_by("created_at")
    words = word_number(paused, "flow")
    if words:
        words += " paused"
        yield Need(Urgency.KNOWN, words, "until somebody resumes them", f"{reverse('flows')}?status=paused")


STUCK_FLOWS = NeedSource("flows.view_flow", _list_stuck_flows)
HOLDS = NeedSource("flows.view_hold", _list_holds)
PAUSED_FLOWS = NeedSource("flows.view_flow", _list_paused_flows)
