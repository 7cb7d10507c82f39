"""The shape of an alert test."""

from typing import Any

from rest_framework import serializers


class AlertTestSerializer(serializers.Serializer[Any]):
    """Who accepted a synthetic alert, and how fast."""

    name = serializers.CharField()
    receivers = serializers.ListField(child=serializers.CharField())
    seconds = serializers.FloatField(help_text="Until the last receiver accepted it.")
