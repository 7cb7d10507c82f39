"""Whether the process lives, and whether it can work: what Kubernetes asks before it sends anybody here."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from orchestrator.core import replicas
from orchestrator.ops.status.core_parts import check_core
from orchestrator.serving.departure import departure
from orchestrator.version import VERSION


@require_safe
def show_health(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """The process answers."""
    # Nothing else is asked: restarting this process repairs no database, and a failed answer restarts it.
    return JsonResponse({"status": "ok", "version": VERSION})


@require_safe
def show_readiness(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - Django's signature
    """Every part that work needs; 503 with the failing ones."""
    if departure.has_begun:
        body: dict[str, Any] = {"status": "unready", "failing": ["process"], "parts": {"process": "leaves"}}
        return JsonResponse(body, status=503, headers={"Cache-Control": "no-store"})
    parts = check_core()
    failing = sorted(name for name, state in parts.items() if state != "ok")
    body = {"status": "unready" if failing else "ok", "failing": failing, "parts": parts}
    replicas_read = replicas.rests.describe()
    if replicas_read:
        # Only told: without any of them reports are read from the primary.
        body["replicas"] = replicas_read
    return JsonResponse(body, status=503 if failing else 200, headers={"Cache-Control": "no-store"})
