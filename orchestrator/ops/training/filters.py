"""The filters of people."""

import django_filters as filters

from orchestrator.ops.training.models import OnCallDuty, Trainee
from orchestrator.rest.filters import FlagFilter, StrictFilterSet


class TraineeFilter(StrictFilterSet):
    """``?team=payments&duty=primary&certified=false``."""

    team = filters.CharFilter(help_text="The team, exactly.")
    duty = filters.ChoiceFilter(choices=OnCallDuty.choices, help_text="The part of the on-call rotation.")
    # exclude: the column is null for those without one.
    certified = FlagFilter(
        "Whether with a certificate.", field_name="certificate", lookup_expr="isnull", exclude=True
    )

    class Meta:
        model = Trainee
        fields = ["team", "duty", "certified"]
