"""Pages by cursor: a page stays the same page while rows are added before it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from orchestrator.rest.filters import refuse_filter
from orchestrator.rest.problems import Problem
from orchestrator.rest.query_names import ORDERING

NEWEST_FIRST = "-created_at"


class NewestFirstPagination(CursorPagination):
    """Newest first, by primary key; ``?limit=`` from 1 to 200, ``?cursor=`` from the ``next`` link.

    A view that offers other orders has ``orderings``: the name that the client sends, and the columns. The
    first column must not be null, because rows are sought by it.
    """

    # The primary key never changes, so a row does not move between pages.
    ordering = "-pk"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """A page of the rows; a cursor whose position is not one of the column is refused."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError) as error:
            raise _foreign_cursor() from error

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        """The columns of the order that the client asks for."""
        orderings = getattr(view, "orderings", {})
        wanted = request.query_params.get(ORDERING)
        if wanted is None or not orderings:
            return super().get_ordering(request, queryset, view)
        if wanted not in orderings:
            refuse_filter(f"There is no order {wanted[:100]!r}.", cure=f"Use one of: {', '.join(orderings)}.")
        return tuple(orderings[wanted])

    def get_page_size(self, request: Request) -> int:
        """``?limit=``; more than the most gives the most."""
        text = request.query_params.get(str(self.page_size_query_param))
        if text is None:
            return self.page_size
        if not text.isascii() or not text.isdigit() or int(text[:9]) == 0:
            refuse_filter(f"limit={text[:40]!r} is not a number.", cure=f"Send 1 to {self.max_page_size}.")
        return min(int(text[:9]), self.max_page_size)

    def decode_cursor(self, request: Request) -> Any:
        """DRF's cursor; a broken one is the caller's mistake and not an absent page."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _foreign_cursor() from error
        # PostgreSQL refuses a text with NUL in it.
        if cursor is not None and "\0" in str(cursor.position):
            raise _foreign_cursor()
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A page, for OpenAPI."""
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "properties": {"next": link, "previous": link, "results": schema},
            "required": ["next", "previous", "results"],
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The parameters of a list, for OpenAPI."""
        limit = {"type": "integer", "minimum": 1, "default": self.page_size}
        cursor = {"type": "string", "format": "cursor"}
        found = [
            _describe("limit", f"Rows of a page; more than {self.max_page_size} give as many.", limit),
            _describe("cursor", "Where a page begins, from the links `next` and `previous`.", cursor),
        ]
        orderings = getattr(view, "orderings", {})
        if orderings:
            order = {"type": "string", "enum": list(orderings), "default": NEWEST_FIRST}
            found.append(_describe(ORDERING, "The order of the rows; `-` is the greatest first.", order))
        return found


def _describe(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _foreign_cursor() -> Problem:
    return Problem(
        400,
        "request:invalid-cursor",
        "This cursor did not come from an answer of this API.",
        cure="Follow the `next` link of the page before.",
    )
