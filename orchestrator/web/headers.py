"""What every answer says: no page runs a foreign script, and which version of `blocks` goes with this."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from blocks import __version__ as blocks_version

_NONE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
STRICT = f"{_NONE}; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
"""Our own pages: only our own files, nothing inline."""
LOOSE = (
    "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
    "object-src 'none'; img-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
)
"""The admin's theme evaluates expressions in attributes, and Swagger's page starts by an inline script."""
VERSION = "Blocks-Version"
_LOOSE_UNDER = ("/admin/", "/api/v1/docs/")


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: ``Content-Security-Policy`` on everything that has none of its own."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # A view may have set a stricter policy.
        response.headers.setdefault(
            "Content-Security-Policy", LOOSE if request.path.startswith(_LOOSE_UNDER) else STRICT
        )
        return response

    return answer


def name_version(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: the version of `blocks` that this service was tested with and serves at `/cli/`."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers[VERSION] = blocks_version
        return response

    return answer
