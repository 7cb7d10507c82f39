"""Shapes of answers whose fields are resolved once in each process.

DRF copies every field of a serializer for every request, and asks each of them for each row how it is read.
For a list of flows that takes longer than the database does.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.fields import SkipField

_Reader = Callable[[Any, Any], Any]


class ResolvedFields:
    """Mixed into a serializer of answers, before DRF's class. A shape inside of it gets no context."""

    def to_representation(self, row: Any) -> dict[str, Any]:
        """What DRF's own method gives: the values of ``row`` by the names of the fields."""
        # DRF builds the fields when somebody looks at them, which `?fields=` does to take some away.
        kept = self.__dict__.get("fields")
        kind: Any = type(self)
        found: dict[str, Any] = {}
        for name, read in _resolve_fields(kind):
            if kept is not None and name not in kept:
                continue
            try:
                found[name] = read(self, row)
            except SkipField:
                continue
        return found


@cache
def _resolve_fields(kind: Any) -> tuple[tuple[str, _Reader], ...]:
    """How each value of a row is read; the serializer comes with the row, because it has the context."""
    fields = kind().fields.items()
    return tuple((name, _make_reader(field)) for name, field in fields if not field.write_only)


def _make_reader(field: Any) -> _Reader:
    if isinstance(field, serializers.SerializerMethodField):
        name = str(field.method_name)
        return lambda serializer, row: getattr(serializer, name)(row)
    if isinstance(field, serializers.DateTimeField):
        # Named, because DRF would ask which time zone holds at present for each value.
        field.timezone = timezone.get_default_timezone()
    get, write = field.get_attribute, field.to_representation

    def read(serializer: Any, row: Any) -> Any:  # noqa: ARG001 - the shape of a reader
        value = get(row)
        return None if value is None else write(value)

    return read
