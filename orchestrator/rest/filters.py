"""Filters of lists, declared with ``django-filter``. A wrong value is refused, never ignored."""

from typing import Any, NoReturn

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

from orchestrator.rest.problems import Problem

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


def refuse_filter(detail: str, *, cure: str) -> NoReturn:
    """Answer 400 because a filter cannot be read."""
    raise Problem(400, INVALID_FILTER, detail, cure=cure)
