"""An operation that will go says so, in its answers and in its description."""

from datetime import date

import pytest
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from orchestrator.rest.deprecation import Deprecation
from orchestrator.rest.openapi import describe_operation

GOES = Deprecation(since=date(2026, 1, 1), sunset=date(2026, 9, 1), successor="/api/v1/flows/")


class OldView(APIView):
    """An operation that will go."""

    permission_classes = []
    authentication_classes = []

    @describe_operation("old_list", tags=["old"], deprecation=GOES, responses={200: str})
    def get(self, request):
        """List the old things."""
        return Response("old")


urlpatterns = [path("api/v1/", include([path("old/", OldView.as_view())]))]


@pytest.mark.urls(__name__)
def test_answers_carry_the_headers_of_both_rfcs():
    answer = APIClient().get("/api/v1/old/")
    assert answer["Deprecation"] == "@1767225600"
    assert answer["Sunset"] == "Tue, 01 Sep 2026 00:00:00 GMT"
    assert answer["Link"] == '</api/v1/flows/>; rel="successor-version"'
    described = SchemaGenerator(patterns=urlpatterns).get_schema()["paths"]["/api/v1/old/"]["get"]
    assert described["deprecated"] is True


def test_nothing_goes_without_notice():
    with pytest.raises(ValueError, match="180 days"):
        Deprecation(since=date(2026, 1, 1), sunset=date(2026, 2, 1), successor="/")
