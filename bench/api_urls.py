"""The service's addresses, and that of a view that does as little as a view can that reads a row."""

from django.forms.models import model_to_dict
from django.http import HttpRequest, JsonResponse
from django.urls import path

from orchestrator.flows.models import Flow
from orchestrator.urls import handler400, handler500
from orchestrator.urls import urlpatterns as service

__all__ = ["handler400", "handler500", "urlpatterns"]


def show_row(request: HttpRequest, flow_id: str) -> JsonResponse:
    """One row of flows as JSON."""
    return JsonResponse(model_to_dict(Flow.objects.get(pk=flow_id)))


urlpatterns = [path("bare/<str:flow_id>/", show_row), *service]
