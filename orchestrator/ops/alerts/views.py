"""Alerts over REST: the test of the chain. For operators."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orchestrator.ops.alerts.alert_test import run_alert_test
from orchestrator.ops.alerts.serializers import AlertTestSerializer
from orchestrator.repos.scopes import TokenScope


class AlertTestView(APIView):
    """Tests one alert."""

    scopes = {"POST": TokenScope.OPS_WRITE}

    @extend_schema(
        operation_id="alerts_test",
        tags=["alerts"],
        request=None,
        responses=AlertTestSerializer,
        summary="Send a synthetic alert through the real chain and wait for its receivers.",
    )
    def post(self, request: Request, name: str) -> Response:  # noqa: ARG002 - DRF's signature
        """200 when every receiver has accepted it, at most 30 s later."""
        return Response(AlertTestSerializer(run_alert_test(name)).data)
