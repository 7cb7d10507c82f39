"""The shape of an event."""

from typing import Any

from rest_framework import serializers

from orchestrator.flows.models import FlowEvent, Stage


class EventStageSerializer(serializers.ModelSerializer[Stage]):
    """The stage that an event is about."""

    class Meta:
        model = Stage
        fields = ["id", "kind", "round"]


class FlowEventSerializer(serializers.Serializer[FlowEvent]):
    """One event of a flow; ``stage`` is left out of an event that is about the whole flow."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField(source="created_at")
    stage = EventStageSerializer(required=False)
    data = serializers.JSONField()  # type: ignore[assignment]  # a field of that name

    def to_representation(self, event: FlowEvent) -> dict[str, Any]:
        """The event as JSON."""
        body = super().to_representation(event)
        # Left out and not null, as clients of this API have always seen it.
        if event.stage is None:
            del body["stage"]
        return body
