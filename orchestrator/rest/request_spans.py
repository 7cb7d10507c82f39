"""Each request is a span, and the root of the trace of what it starts."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from structlog.contextvars import bound_contextvars

from orchestrator.core import tracing

_QUIET = ("/health", "/ready", "/static/")
_SERVER_ERROR = 500


def trace_request(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: open a span for each request but probes, and bind its trace id to the log."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not tracing.is_on() or request.path.startswith(_QUIET):
            return get_response(request)
        method = str(request.method)
        link = request.headers.get("traceparent", "")
        attributes = {"http.request.method": method, "url.scheme": str(request.scheme)}
        with tracing.open_root_span(method, attributes, kind=tracing.SERVER, link=link) as span:
            trace_id = tracing.read_trace_id(tracing.read_trace_parent())
            with bound_contextvars(**({"trace_id": trace_id} if trace_id else {})):
                response = get_response(request)
            # The route and not the path: a name that is the same for every flow.
            if request.resolver_match is not None:
                route = f"/{request.resolver_match.route}"
                span.rename(f"{method} {route}")
                span.set({"http.route": route})
            span.set({"http.response.status_code": response.status_code})
            if response.status_code >= _SERVER_ERROR:
                span.fail(str(response.status_code))
        return response

    return answer
