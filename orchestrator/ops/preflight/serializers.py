"""The shapes of the pre-flight, in and out."""

from typing import Any

from rest_framework import serializers

from orchestrator.ops.preflight.check_protocol import PHASES, LineOutcome
from orchestrator.ops.preflight.models import PersonAnswer
from orchestrator.rest.request_bodies import RequestSerializer


class PersonAnswerSerializer(serializers.ModelSerializer[PersonAnswer]):
    """What a person said of a line."""

    class Meta:
        model = PersonAnswer
        fields = ["line", "phase", "holds", "person", "note", "recorded_by", "created_at"]


class NewPersonAnswerSerializer(RequestSerializer):
    """What a person says of a line that the system cannot see."""

    # The phase is said, never guessed: an answer for the wrong one is worse than none.
    phase = serializers.IntegerField(min_value=PHASES[0], max_value=PHASES[-1])
    line = serializers.CharField(max_length=60, help_text="The key of the line.")
    holds = serializers.BooleanField(help_text="Whether it is so.")
    person = serializers.CharField(max_length=120, help_text="Who looked.")
    note = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class PreflightLineSerializer(serializers.Serializer[Any]):
    """One line of the checklists, and how it stands."""

    key = serializers.CharField(source="line.key")
    # Not "check": a component of that name would hide the method of DRF.
    check_name = serializers.CharField(source="check")
    section = serializers.CharField()
    words = serializers.CharField(source="line.words", help_text="The runbook's words.")
    outcome = serializers.ChoiceField(choices=[one.value for one in LineOutcome], source="outcome.value")
    found = serializers.CharField(help_text="What was seen.")
    cure = serializers.CharField(help_text="What to do where it does not pass.")
    answer = PersonAnswerSerializer(allow_null=True)


class PreflightReportSerializer(serializers.Serializer[Any]):
    """Every line of a phase. ``ready`` only where all of them pass."""

    phase = serializers.IntegerField()
    at = serializers.DateTimeField()
    ready = serializers.BooleanField()
    passed = serializers.IntegerField()
    failed = serializers.IntegerField()
    asked = serializers.IntegerField(help_text="Lines that wait for a person.")
    lines = PreflightLineSerializer(many=True)
