"""The filters of incidents."""

import django_filters as filters

from orchestrator.ops.incidents.models import Incident
from orchestrator.rest.filters import StrictFilterSet


class IncidentFilter(StrictFilterSet):
    """``?severity=P1&status=open&repo=auth-service``."""

    # By name, as everywhere in the API: numbers of repos are internal.
    repo = filters.CharFilter(field_name="repos__name", help_text="A repo that they affect.")

    class Meta:
        model = Incident
        fields = ["severity", "status", "source", "repo"]
