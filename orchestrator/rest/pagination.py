"""Pages by cursor: a page stays the same page while rows are added before it."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from orchestrator.rest.problems import Problem


class NewestFirstPagination(CursorPagination):
    """Newest first, by primary key; ``?limit=`` from 1 to 200, ``?cursor=`` from the ``next`` link."""

    # The primary key never changes, so a row does not move between pages.
    ordering = "-pk"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Any:
        """DRF's cursor; a broken one is the caller's mistake and not an absent page."""
        try:
            return super().decode_cursor(request)
        except NotFound as error:
            raise Problem(
                400,
                "request:invalid-cursor",
                "This cursor did not come from an answer of this API.",
                cure="Follow the `next` link of the page before.",
            ) from error
