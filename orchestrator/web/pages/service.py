"""Open pages: what this is, and how it stands."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orchestrator.flows.models import Flow
from orchestrator.flows.models.states import FLOW_ENDED, FlowStatus
from orchestrator.web.components import service_status


@require_safe
def show_landing_page(request: HttpRequest) -> HttpResponse:
    """What this is and where to begin."""
    return render(request, "web/landing.html", {"onboarding": settings.ONBOARDING_ENABLED})


@require_safe
@never_cache
def show_status_page(request: HttpRequest) -> HttpResponse:
    """How the service stands: its parts, queues and providers, and the flows of the last 24 hours.

    No repo is named.
    """
    now = timezone.now()
    flows = Flow.objects.filter(created_at__gte=now - timedelta(hours=24)).aggregate(
        passed=Count("id", filter=Q(status=FlowStatus.PASSED)),
        failed=Count("id", filter=Q(status=FlowStatus.FAILED)),
        going=Count("id", filter=~Q(status__in=FLOW_ENDED)),
        waiting=Count("id", filter=Q(status__in=[FlowStatus.WAITING, FlowStatus.PAUSED])),
    )
    # A cancelled flow says nothing about quality: a person ended it.
    ended = flows["passed"] + flows["failed"]
    groups = service_status.check_parts(now)
    context = {
        "groups": groups,
        "worst": service_status.find_worst(part for _, parts in groups for part in parts),
        "flows": flows,
        "rate": None if not ended else round(100 * flows["passed"] / ended, 1),
        "now": now,
    }
    return render(request, "web/status.html", context)
