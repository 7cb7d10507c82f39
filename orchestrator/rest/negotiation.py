"""Which format an answer has, where a view answers with something else than JSON."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class AnyAcceptNegotiation(DefaultContentNegotiation):
    """Accepts every ``Accept`` header, for answers that are not JSON.

    The view sends what it has, in its own format.
    """

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002
        renderers: Any,
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> Any:
        """The first renderer, for errors only."""
        # DRF would answer 406 where a client lists only the type of the file that it wants.
        return renderers[0], renderers[0].media_type
