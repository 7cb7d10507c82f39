"""Bodies of requests: a field that is not described, and a value of another JSON type, are refused.

DRF's fields were made for forms, in which everything is text: they take 5 for "5", "yes" and 1 for true, and
"5" for 5, and they leave out what they do not know. A client that sends such things has a mistake, which it
should hear of.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request

from orchestrator.rest.refusals import UNKNOWN_FIELD

_NAMES = {str: "a text", bool: "true or false", int: "a whole number"}


class RequestSerializer(serializers.Serializer[Any]):
    """The body of a request, or a part of it. All fields with a mistake are named at once."""

    takes_more = False
    """Whether other fields are left alone: for messages of senders who add fields with each version."""

    def to_internal_value(self, data: Any) -> Any:
        """The values; refuses other fields and other types than those that OpenAPI describes."""
        wrong: dict[str, Any] = {}
        if isinstance(data, Mapping):
            if not self.takes_more:
                wrong |= self._refuse_unknown(data)
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

    def _refuse_unknown(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        known = ", ".join(self.fields)
        said = ErrorDetail(f"There is no such field; there are: {known}.", code=UNKNOWN_FIELD.code)
        return {name[:100]: [said] for name in sorted(data.keys() - self.fields.keys())}


def read_valid(kind: type[RequestSerializer], request: Request) -> Any:
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
