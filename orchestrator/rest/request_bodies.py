"""Bodies of requests: a value of another JSON type than the described one is refused.

DRF's fields were made for forms, in which everything is text: they take 5 for "5", "yes" and 1 for true, and
"5" for 5. A client that sends them has a mistake, which it should hear of.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

_NAMES = {str: "a text", bool: "true or false", int: "a whole number"}


class RequestSerializer(serializers.Serializer[Any]):
    """The body of a request. All fields with a mistake are named at once."""

    def to_internal_value(self, data: Any) -> Any:
        """The values; refuses other types than those that OpenAPI describes."""
        wrong: dict[str, Any] = {}
        if isinstance(data, Mapping):
            for name, field in self.fields.items():
                if name in data and (said := _find_mistake(field, data[name])):
                    wrong[name] = [said]
        if not wrong:
            return super().to_internal_value(data)
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            # What a field finds itself says more than its type.
            wrong |= error.detail if isinstance(error.detail, dict) else {}
        raise serializers.ValidationError(wrong)


def read_valid(kind: type[serializers.BaseSerializer[Any]], request: Request) -> Any:
    """The body in the shape ``kind``; a problem names every field that is wrong."""
    wanted = kind(data=request.data)
    wanted.is_valid(raise_exception=True)
    return wanted.validated_data


def _find_mistake(field: Any, value: Any) -> str:
    """What is wrong with the type of ``value``; empty where nothing is, or where ``field`` says it itself."""
    if value is None:
        return ""
    match field:
        case serializers.ListField() if isinstance(value, list):
            return next(filter(None, (_find_mistake(field.child, one) for one in value)), "")
        case serializers.DictField() if isinstance(value, dict):
            return next(filter(None, (_find_mistake(field.child, one) for one in value.values())), "")
        case serializers.CharField():
            wanted: type = str
        case serializers.BooleanField():
            wanted = bool
        case serializers.IntegerField():
            wanted = int
        case _:
            return ""
    # In Python a bool is an int, and JSON has one kind of number: 5.0 is a whole number.
    is_whole = isinstance(value, float) and value.is_integer()
    fits = isinstance(value, wanted) or (wanted is int and is_whole)
    if fits and not (wanted is int and isinstance(value, bool)):
        return ""
    return f"Send {_NAMES[wanted]}."
