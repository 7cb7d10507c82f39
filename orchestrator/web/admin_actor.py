"""The audit trail learns who fills in the forms of the admin."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from orchestrator.core import audit
from orchestrator.web.admin_queries import UNREADABLE, refuse_unreadable

# Django saves these forms in one transaction as well. An action of a list is left out: it goes through its
# rows one by one, and the functions that it calls name the actor themselves.
_FORMS: Final = ("_add", "_change", "_delete", "_password_change")


class NameAdminActor:
    """Middleware: what a form of the admin changes is changed by the person who sends it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as usual."""
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponseBase],
        arguments: tuple[Any, ...],
        named: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Run ``view`` as the person, or return None for Django's own way."""
        match = request.resolver_match
        is_form = match is not None and match.app_name == "admin" and str(match.url_name).endswith(_FORMS)
        if request.method != "POST" or not is_form or not request.user.is_authenticated:
            return None
        try:
            with audit.act_as(request.user.get_username()):
                return view(request, *arguments, **named)
        # Django asks no middleware about an error of a view that a middleware has called.
        except UNREADABLE as error:
            refusal = refuse_unreadable(request, error)
            if refusal is None:
                raise
            return refusal
