"""The shape of an edit by a person."""

from rest_framework import serializers

from orchestrator.rest.request_bodies import RequestSerializer


class NewEditSerializer(RequestSerializer):
    """Files of the newest candidate as a person has edited them; those that are left out stay."""

    files = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        allow_empty=False,
        help_text="Path inside the block to text.",
    )
