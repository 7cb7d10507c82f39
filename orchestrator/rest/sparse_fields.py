"""``?fields=id,status``: an answer with these fields only. What is left out is not computed either."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator.rest.filters import refuse_filter
from orchestrator.rest.query_names import FIELDS

_Row = TypeVar("_Row", bound=Model)


class SparseFields:
    """A view whose answers may be reduced. They have the shape ``sparse_serializer``."""

    sparse_serializer: type[serializers.Serializer[Any]]

    def keep_fields(self, request: Request, serializer: serializers.BaseSerializer[Any]) -> Any:
        """``serializer`` with the fields that the query names; all of them where it names none."""
        asked = request.query_params.get(FIELDS)
        if asked is None:
            return serializer
        names = list_fields(self.sparse_serializer)
        wanted = set(asked.split(","))
        unknown = sorted(wanted - set(names))
        if unknown:
            refuse_filter(
                f"There is no field {unknown[0][:100]!r} here.", cure=f"Use some of: {', '.join(names)}."
            )
        whole: Any = getattr(serializer, "child", serializer)
        for name in set(names) - wanted:
            del whole.fields[name]
        return serializer


class SparseListView(SparseFields, GenericAPIView[_Row]):
    """A list in pages whose lines may be reduced."""

    def answer_page(self, request: Request, rows: QuerySet[_Row]) -> Response:
        """The page of ``rows`` that the query asks for."""
        page: Any = self.paginate_queryset(rows)
        whole = self.sparse_serializer(page, many=True, context=self.get_serializer_context())
        return self.get_paginated_response(self.keep_fields(request, whole).data)


def list_fields(kind: type[serializers.Serializer[Any]]) -> list[str]:
    """The names that ``?fields=`` may list."""
    return list(kind().fields)
