"""The shapes of training records, in and out."""

from typing import Any

from rest_framework import serializers

from orchestrator.ops.training.csv_import import MOST_BYTES
from orchestrator.ops.training.models import Trainee
from orchestrator.ops.training.standing import TrainingFigure
from orchestrator.rest.request_bodies import RequestSerializer


class TrainingFigureSerializer(serializers.Serializer[TrainingFigure]):
    """One figure of the checklists, and whether its bound is reached."""

    key = serializers.CharField()
    title = serializers.CharField()
    value = serializers.FloatField(allow_null=True, help_text="None while there is nothing to judge.")
    least = serializers.FloatField(help_text="The runbook's bound.")
    met = serializers.BooleanField()
    basis = serializers.CharField(help_text="What it is counted from.")


class TrainingStandingSerializer(serializers.Serializer[Any]):
    """Every figure."""

    figures = TrainingFigureSerializer(many=True)


class TraineeSerializer(serializers.ModelSerializer[Trainee]):
    """Somebody who takes part, and whether with a certificate."""

    certified_at = serializers.DateTimeField(source="certificate.issued_at", default=None, allow_null=True)

    class Meta:
        model = Trainee
        fields = ["id", "email", "name", "team", "duty", "created_at", "certified_at"]


class NewImportSerializer(RequestSerializer):
    """A CSV file as text, header included."""

    # White space at the ends belongs to the file, so lines keep their numbers.
    csv = serializers.CharField(max_length=MOST_BYTES, trim_whitespace=False)


class ImportResultSerializer(serializers.Serializer[Any]):
    """What an import did."""

    kind = serializers.CharField()
    lines = serializers.IntegerField()
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    certificates = serializers.IntegerField(help_text="Issued because of it.")
