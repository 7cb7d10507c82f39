"""Filters of lists, declared with ``django-filter``. A wrong value is refused, never ignored."""

from typing import Any, NoReturn

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request
from rest_framework.views import APIView

from orchestrator.rest.problems import Problem

_YES, _NO = {"1", "true", "yes"}, {"0", "false", "no"}
INVALID_FILTER = "request:invalid-filter"


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]  # django-filter has no types
    """DRF's backend for filter sets, with this API's problem for a value that a filter does not take."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """The rows that the query string asks for."""
        filterset = self.get_filterset(request, queryset, view)
        # A view without a filter set lists everything.
        if filterset is None:
            return queryset
        # django-filter would leave an invalid filter out, and the client would get every row.
        if not filterset.is_valid():
            name, messages = next(iter(filterset.errors.items()))
            refuse_filter(f"{name}: {messages[0]}", cure="/api/v1/docs/ lists what each filter takes.")
        rows: QuerySet[Any] = filterset.qs
        return rows


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """The filters of a list. Only those that the query names are made for a request.

    django-filter copies all of them, and makes a form of all of them, which takes longer than the query.
    """

    base_filters: dict[str, Any]

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any = None, **more: Any) -> None:
        named = data or {}
        self.base_filters = {name: one for name, one in self.base_filters.items() if name in named}
        super().__init__(data, queryset, request=request, **more)


class _FlagField(forms.Field):
    """true or false, also as 1, yes, 0 and no; empty for neither."""

    def to_python(self, value: Any) -> bool | None:
        """The flag; other words are refused, where Django's own field takes them for nothing."""
        word = str(value or "").lower()
        if word in _YES | _NO:
            return word in _YES
        if word:
            raise forms.ValidationError("Send true or false.")
        return None


class FlagFilter(django_filters.Filter):  # type: ignore[misc]  # django-filter has no types
    """A filter by true or false."""

    field_class = _FlagField

    def __init__(self, help_text: str, **options: Any) -> None:
        super().__init__(help_text=help_text, **options)
        extend_schema_field({"type": "boolean", "description": help_text})(self)


def refuse_filter(detail: str, *, cure: str) -> NoReturn:
    """Answer 400 because a filter cannot be read."""
    raise Problem(400, INVALID_FILTER, detail, cure=cure)
