"""Alerts over REST: the test of the chain. For operators."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.alerts.alert_test import (
    AlertingUnavailable,
    AlertTestFailed,
    UnknownAlert,
    record_alert_test,
)
from orchestrator.ops.alerts.serializers import AlertTestSerializer
from orchestrator.repos.access import caller_of
from orchestrator.repos.scopes import TokenScope
from orchestrator.rest.openapi import describe_operation
from orchestrator.rest.refusals import refusal_by

_NAME = OpenApiParameter("name", location=OpenApiParameter.PATH, description="The alert's name.")
_FAILURES = (UnknownAlert, AlertTestFailed, AlertingUnavailable)


class AlertTestView(APIView):
    """Tests one alert."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @describe_operation(
        "alerts_test",
        refused=map(refusal_by, _FAILURES),
        parameters=[_NAME],
        tags=["alerts"],
        request=None,
        responses=AlertTestSerializer,
        summary="Send a synthetic alert through the real chain and wait for its receivers.",
    )
    def post(self, request: Request, name: str) -> Response:
        """200 when every receiver has accepted it, at most 30 s later."""
        return Response(AlertTestSerializer(record_alert_test(name, actor=caller_of(request).name)).data)
