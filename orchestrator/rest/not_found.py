"""An unknown address answers with a problem like any other error, with and without a token."""

from typing import Any, NoReturn

from rest_framework.request import Request
from rest_framework.views import APIView

from orchestrator.rest.problems import Problem


class NotFoundView(APIView):
    """Every address under /api/v1/ that no other view answers."""

    authentication_classes = []
    permission_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """404, for every method."""
        raise Problem(
            404,
            "request:not-found",
            f"There is nothing under {request.path}.",
            cure="/api/v1/docs/ lists every address; they end in a slash.",
        )
