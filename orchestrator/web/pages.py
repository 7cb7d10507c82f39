"""Pages for people: what this is, how it stands, and one flow from its first stage to its block."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from gates.models import GateResult
from orchestrator.flows import engine, shown
from orchestrator.flows.models import Flow, FlowEvent
from orchestrator.flows.states import FLOW_ENDED, FlowStatus
from orchestrator.web.health import PARTS
from providers import quota

_EVENTS = 60
_ACTIONS: dict[str, Callable[..., object]] = {
    "cancel": engine.cancel,
    "retry": engine.retry,
    "pause": engine.pause,
    "resume": engine.resume,
}


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What this is and where to begin."""
    return render(request, "web/landing.html", {"onboarding": settings.ONBOARDING_ENABLED})


@require_safe
@never_cache
def status(request: HttpRequest) -> HttpResponse:
    """How the service stands: its parts, the flows of the last 24 hours, the providers' quotas. No repo is named."""
    since = timezone.now() - timedelta(hours=24)
    flows = Flow.objects.filter(created_at__gte=since).aggregate(
        passed=Count("id", filter=Q(status=FlowStatus.PASSED)),
        failed=Count("id", filter=Q(status=FlowStatus.FAILED)),
        going=Count("id", filter=~Q(status__in=FLOW_ENDED)),
        waiting=Count("id", filter=Q(status__in=[FlowStatus.WAITING, FlowStatus.PAUSED])),
    )
    ended = flows["passed"] + flows["failed"]
    parts = [(name, check()) for name, check in PARTS.items()]
    context = {
        "parts": parts,
        "well": all(state == "ok" for _, state in parts),
        "flows": flows,
        "rate": None if not ended else round(100 * flows["passed"] / ended, 1),
        "providers": quota.snapshot().providers,
        "threshold": settings.CIRCUIT_BREAKER_THRESHOLD,
        "now": timezone.now(),
    }
    return render(request, "web/status.html", context)


def _picture(flow: Flow) -> dict[str, Any]:
    events = FlowEvent.objects.filter(flow=flow).select_related("stage").order_by("-id")[:_EVENTS]
    return {
        "flow": shown.full(flow),
        "row": flow,
        "gates": GateResult.objects.filter(flow=flow).order_by("-round", "id"),
        "events": [(event, str(event.data.get("message") or event.data.get("reason") or "")) for event in events],
        "ended": flow.status in FLOW_ENDED,
    }


@require_safe
@never_cache
@staff_member_required
def flow(request: HttpRequest, flow_id: str) -> HttpResponse:
    """One flow; ``?part=body`` is what the page asks again for while the flow goes on."""
    found = get_object_or_404(Flow.objects.select_related("repo"), pk=flow_id)
    template = "web/flow_body.html" if request.GET.get("part") == "body" else "web/flow.html"
    return render(request, template, _picture(found))


@require_POST
@staff_member_required
def act(request: HttpRequest, flow_id: str, action: str) -> HttpResponseRedirectBase:
    """Cancel, retry, pause or resume a flow, by the same verbs as everywhere."""
    get_object_or_404(Flow, pk=flow_id)
    try:
        _ACTIONS[action](flow_id, actor=request.user.get_username())
    except engine.EngineError as error:
        messages.error(request, f"{error} {error.cure}")
    return redirect("flow", flow_id=flow_id)
