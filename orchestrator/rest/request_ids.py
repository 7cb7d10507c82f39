"""Each request gets a number, which its answer carries and every line of the log about it names."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from structlog.contextvars import bound_contextvars

HEADER = "X-Request-ID"
# Nothing that could end a line of the log or be too long for a header.
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FLOW = re.compile(r"/(task_[0-9a-z]{20})(?:/|$)")
_QUIET = ("/health", "/ready", "/static/")
log = logging.getLogger(__name__)


def give_request_id(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: take a sane ``X-Request-ID`` or make one.

    It binds the id and that of the flow to the log, and logs the answer.

    Paths are logged without their query, which may hold what a person searched for; headers and bodies never.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        number = given if _SANE.fullmatch(given) else uuid.uuid4().hex
        flow = _FLOW.search(request.path)
        began = time.monotonic()
        # Bound for the whole request, so that every line that a view logs carries both ids.
        with bound_contextvars(request_id=number, **({"flow_id": flow[1]} if flow else {})):
            response = get_response(request)
            if not request.path.startswith(_QUIET):
                took = round(1000 * (time.monotonic() - began), 1)
                fields = {
                    "method": request.method,
                    "path": request.path,
                    "status": response.status_code,
                    "ms": took,
                }
                log.info("answered", extra=fields)
        response.headers[HEADER] = number
        return response

    return answer
