"""Fields that several shapes have."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from orchestrator.flows import representation


class UsdField(serializers.CharField):
    """An amount of USD as plain decimal digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(help_text="USD, as decimal digits.", **options)

    def to_representation(self, value: Decimal) -> str:  # type: ignore[override]  # stubs: only str
        """``0.01275`` for a column that holds ``0.01275000``."""
        return representation.format_usd(value)


class ErrorSerializer(serializers.Serializer[Any]):
    """Why something failed, and what fixes it."""

    code = serializers.CharField()
    message = serializers.CharField()
    cure = serializers.CharField()
