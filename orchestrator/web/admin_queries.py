"""Addresses of the admin that nobody's link has: answered as unreadable, and not as a failure of the service.

Django and the theme read some parameters only as they are used: a page that is not a number, a year before
the first one, a NUL in a filter. What then goes wrong has as many names as places.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.core.paginator import InvalidPage
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

UNREADABLE: Final = (
    DataError,
    FieldDoesNotExist,
    FieldError,
    InvalidPage,
    OverflowError,
    ValidationError,
    ValueError,
)
log = logging.getLogger(__name__)


class UnreadableAdminQuery:
    """Middleware: 400 where a page of the admin fails over the parameters of its address.

    So where an action is asked for rows that cannot be. Of an address without parameters, and of other forms,
    the same error stays what it is: an internal error.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as usual."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The refusal, or None for Django's own way."""
        return refuse_unreadable(request, exception) if isinstance(exception, UNREADABLE) else None


def refuse_unreadable(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The refusal of a request that ended in one of ``UNREADABLE``; None where that is our error."""
    match = request.resolver_match
    if not (_is_odd(request) and match and match.app_name == "admin"):
        return None
    # Where it is an internal error after all, the log has its place.
    log.warning("a query of the admin cannot be read", exc_info=error)
    why = "What the page was asked for cannot be read. Choose it again in the admin."
    return render(request, "400.html", {"why": why}, status=400)


def _is_odd(request: HttpRequest) -> bool:
    """Whether the request asks for something that a person may have made up."""
    # A form has the parameters of the list behind it as well, and they do not make its errors odd.
    if request.method in {"GET", "HEAD"} or "_to_field" in request.GET:
        return bool(request.GET)
    chosen = request.POST.getlist("_selected_action")
    # Django says so of each view of a model.
    page = getattr(request.resolver_match.func if request.resolver_match else None, "model_admin", None)
    return page is not None and not all(_can_be_key(page.model._meta.pk, key) for key in chosen)


def _can_be_key(field: Any, key: str) -> bool:
    try:
        # A text may be everything except that.
        return "\0" not in key and field.to_python(key) not in field.empty_values
    except ValidationError:
        return False
