"""The shape of an edit by a person."""

from typing import Any

from rest_framework import serializers


class NewEditSerializer(serializers.Serializer[Any]):
    """Files of the newest candidate as a person has edited them; those that are left out stay."""

    files = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        allow_empty=False,
        help_text="Path inside the block to text.",
    )
