"""Errors as RFC 9457 ``application/problem+json``: a stable ``code``, a sentence for people, and a cure.

Views raise ``Problem``; whatever else escapes a view is turned into one here, so that a client sees one shape only.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "This method is not offered here",
    406: "No such representation",
    409: "In conflict with what is there",
    413: "Too large",
    415: "This media type is not read here",
    422: "The request cannot be carried out",
    429: "Too many requests",
    500: "An error of ours",
    503: "Not available now",
}


class Problem(Exception):
    """An answer other than success. ``extra`` members go into the document beside the standard ones."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        cure: str = "",
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.cure = status, code, detail, cure
        self.headers, self.extra = dict(headers or {}), extra

    def document(self) -> dict[str, Any]:
        """The body. ``type`` is a URN, because codes are names and not places."""
        body: dict[str, Any] = {
            "type": f"urn:blocks:problem:{self.code}",
            "title": _TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.cure:
            body["cure"] = self.cure
        return body | self.extra


class ProblemRenderer(JSONRenderer):
    """JSON under the media type of problems."""

    media_type = MEDIA_TYPE
    format = "problem"


def respond(problem: Problem) -> Response:
    """``problem`` as a DRF response."""
    return Response(
        problem.document(), status=problem.status, headers=problem.headers, content_type=MEDIA_TYPE
    )


def _validation(error: exceptions.ValidationError) -> Problem:
    fields = error.detail if isinstance(error.detail, dict) else {"request": error.detail}
    errors = {
        name: [str(part) for part in (value if isinstance(value, list) else [value])]
        for name, value in fields.items()
    }
    first = next(iter(errors.items()), ("request", ["invalid"]))
    return Problem(
        422,
        "request:invalid",
        f"{first[0]}: {first[1][0]}",
        cure="Correct the named fields; /api/v1/docs/ shows what each one takes.",
        errors=errors,
    )


def _api_exception(error: exceptions.APIException) -> Problem:
    headers: dict[str, str] = {}
    code, cure = f"request:{str(error.get_codes()).replace('_', '-')}", ""
    match error:
        case exceptions.ValidationError():
            return _validation(error)
        case exceptions.ParseError():
            code, cure = (
                "request:malformed",
                "Send a JSON object in UTF-8 with Content-Type: application/json.",
            )
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            code = "auth:missing-token"
            cure = "Send `Authorization: Bearer blk_...`; an operator makes tokens in the admin or with `manage.py create_token`."
            headers["WWW-Authenticate"] = "Bearer"
            return Problem(401, code, str(error.detail), cure=cure, headers=headers)
        case exceptions.NotFound():
            code = "request:not-found"
        case exceptions.Throttled():
            code, cure = "request:throttled", "Ask again after the time in Retry-After."
            if (wait := getattr(error, "wait", None)) is not None:
                headers["Retry-After"] = str(int(wait))
    return Problem(error.status_code, code, str(error.detail), cure=cure, headers=headers)


def to_problem(error: Exception) -> Problem:
    """The problem that ``error`` amounts to. What nobody foresaw is logged and says nothing of its insides."""
    match error:
        case Problem():
            return error
        case exceptions.APIException():
            return _api_exception(error)
        case Http404():
            return Problem(404, "request:not-found", "There is nothing under this address.")
        case PermissionDenied():
            return Problem(403, "auth:not-allowed", "This is not allowed.")
    log.error("unhandled error in the API", exc_info=error)
    return Problem(
        500,
        "internal:error",
        "The service failed; nothing was half-done.",
        cure="Try again; if it stays, tell the operators.",
    )


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler."""
    if request := context.get("request"):
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = MEDIA_TYPE
    return respond(to_problem(error))
