"""Parameters of a query that its address does not know, or without a value, are refused.

A misspelt filter would show all rows, and so would the empty one of a script whose variable is not set.
"""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from orchestrator.rest.problems import Problem

if TYPE_CHECKING:  # views import the classes named in settings, this one among them
    from rest_framework.views import APIView


ORDERING = "ordering"
"""Known to a view with ``orderings``, see ``pagination``."""
FIELDS = "fields"
"""Known to a view with ``sparse_serializer``, see ``sparse_fields``."""


class KnownQueryOnly(BasePermission):
    """Asked for each view by default, before it does anything.

    A view knows the names of its filters and of its pagination, and those in its ``query_names``.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """True, or a problem that names the parameter."""
        _refuse_nul(request, view)
        known = list_known_names(view)
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            listed = ", ".join(sorted(known)) or "none"
            raise Problem(
                400,
                "request:unknown-parameter",
                f"There is no parameter {unknown[0][:100]!r} here.",
                cure=f"Leave it out; this address knows: {listed}.",
            )
        _refuse_empty(request)
        return True


def _refuse_nul(request: Request, view: "APIView") -> None:
    """PostgreSQL takes no text with NUL in it, so nothing has such a name."""
    if any("\0" in str(value) for value in view.kwargs.values()):
        raise Problem(404, "request:not-found", "There is nothing under this address.")
    for name, values in request.query_params.lists():
        if any("\0" in value for value in values):
            raise Problem(400, "request:invalid-filter", f"{name[:100]} holds a NUL, which nothing has.")


def _refuse_empty(request: Request) -> None:
    for name, values in request.query_params.lists():
        if "" in values:
            raise Problem(400, "request:invalid-filter", f"{name} is empty.", cure="Leave it out.")


def list_known_names(view: Any) -> set[str]:
    """The parameters that ``view`` reads from the query."""
    known = set(getattr(view, "query_names", ()))
    filterset = getattr(view, "filterset_class", None)
    if filterset is not None:
        known |= set(filterset.base_filters)
    pagination = getattr(view, "pagination_class", None)
    if pagination is not None:
        known |= {pagination.page_size_query_param, pagination.cursor_query_param}
    if hasattr(view, "orderings"):
        known.add(ORDERING)
    if hasattr(view, "sparse_serializer"):
        known.add(FIELDS)
    return known
