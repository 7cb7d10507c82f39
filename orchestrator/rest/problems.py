"""Errors as RFC 9457 ``application/problem+json``: a stable ``code``, a sentence for people, and a cure.

A view raises ``Problem`` for what only REST knows, such as a malformed header. Everything else that people
read is an ``OrchestratorError``, which carries all that an answer needs. Any other exception that escapes a
view becomes a problem here, too, so a client sees one shape only.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from orchestrator.core.errors import FixedBy, OrchestratorError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
AWAY_RETRY_SECONDS = 5
_UNKNOWN_FIELD = "request:unknown-field"
_TITLES = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "This method is not supported here",
    406: "The requested format is not available",
    409: "In conflict with the present state",
    413: "Too large",
    415: "This media type is not supported",
    422: "The request cannot be carried out",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
}
# The status follows from who can fix an error: 4xx where the caller can, 503 where waiting for somebody
# helps.
_STATUS_BY_FIXER = {
    FixedBy.REQUESTER: 422,
    FixedBy.REPO_OWNER: 422,
    FixedBy.OPERATOR: 503,
    FixedBy.PROVIDER: 503,
    FixedBy.US: 500,
}
_HOW_TO_SEND_ONE = (
    "Send `Authorization: Bearer blk_...`; "
    "an operator makes tokens in the admin or with `manage.py create_token NAME --repo REPO`."
)


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
        """The body. ``type`` is a URN, because codes are names and not addresses."""
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


def handle_exception(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: every exception that escapes a view becomes a problem."""
    if request := context.get("request"):
        # An error has only this format, even if the client asked for another one.
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = MEDIA_TYPE
    return build_response(to_problem(error))


def build_response(problem: Problem) -> Response:
    """``problem`` as a DRF response."""
    return Response(
        problem.document(), status=problem.status, headers=problem.headers, content_type=MEDIA_TYPE
    )


def to_problem(error: Exception) -> Problem:
    """The problem that ``error`` amounts to.

    An unexpected one is logged, and its answer reveals nothing about it.
    """
    match error:
        case Problem():
            return error
        case OrchestratorError():
            return _from_orchestrator_error(error)
        case exceptions.APIException():
            return _from_api_exception(error)
        case Http404():
            return Problem(404, "request:not-found", "There is nothing under this address.")
        case PermissionDenied():
            return Problem(403, "auth:not-allowed", "This is not allowed.")
        case OperationalError() | InterfaceError():
            return _from_database_away(error)
    log.error("unhandled error in the API", exc_info=error)
    return Problem(
        500,
        OrchestratorError.code,
        "The service failed; nothing was left half-done.",
        cure=OrchestratorError.cure,
    )


def _from_database_away(error: Exception) -> Problem:
    log.warning("the database is away: %s", type(error).__name__)
    return Problem(
        503,
        "service:database-away",
        "The database cannot be reached at present.",
        cure="Ask again after the time in Retry-After. An Idempotency-Key makes it safe to send again.",
        headers={"Retry-After": str(AWAY_RETRY_SECONDS)},
    )


def read_status(error: OrchestratorError) -> int:
    """The status that REST answers for ``error``."""
    return error.http_status or _STATUS_BY_FIXER[error.fixed_by]


def _from_orchestrator_error(error: OrchestratorError) -> Problem:
    status = read_status(error)
    if status >= 500:
        log.error("the API answers %s with %s", status, error.code, exc_info=error)
    wait = error.retry_after_seconds
    headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
    return Problem(status, error.code, error.message, cure=error.cure, headers=headers)


def _from_api_exception(error: exceptions.APIException) -> Problem:
    detail = str(error.detail)
    match error:
        case exceptions.ValidationError():
            return _from_validation_error(error)
        case exceptions.ParseError():
            cure = "Send a JSON object in UTF-8 with Content-Type: application/json."
            return Problem(error.status_code, "request:malformed", detail, cure=cure)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            # DRF answers 403 where the first authentication class names no scheme; a missing token is always
            # a 401.
            headers = {"WWW-Authenticate": "Bearer"}
            return Problem(401, "auth:missing-token", detail, cure=_HOW_TO_SEND_ONE, headers=headers)
        case exceptions.NotFound():
            return Problem(error.status_code, "request:not-found", detail)
        case exceptions.Throttled():
            wait_seconds = getattr(error, "wait", None)
            headers = {} if wait_seconds is None else {"Retry-After": str(int(wait_seconds))}
            cure = "Ask again after the time in Retry-After."
            return Problem(error.status_code, "request:throttled", detail, cure=cure, headers=headers)
    code = str(error.get_codes()).replace("_", "-")
    return Problem(error.status_code, f"request:{code}", detail)


def _from_validation_error(error: exceptions.ValidationError) -> Problem:
    fields = error.detail if isinstance(error.detail, dict) else {"request": error.detail}
    errors: dict[str, list[str]] = {}
    codes = set()
    for name, value in fields.items():
        for text, code in _list_messages("", value):
            errors.setdefault(name, []).append(text)
            codes.add(code)
    first_field, its_messages = next(iter(errors.items()), ("request", ["invalid"]))
    return Problem(
        422,
        _UNKNOWN_FIELD if _UNKNOWN_FIELD in codes else "request:invalid",
        f"{first_field}: {its_messages[0]}",
        cure="Correct the named fields; /api/v1/docs/ shows what each one takes.",
        errors=errors,
    )


def _list_messages(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with a field, and the code of that. Further down, its place comes first: ``0.name: ``."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _list_messages(f"{path}.{name}".removeprefix("."), inner)
        case list():
            for number, inner in enumerate(value):
                # Texts are what is wrong with the field; others are what is wrong with each of its items.
                is_text = isinstance(inner, str)
                yield from _list_messages(path if is_text else f"{path}.{number}".removeprefix("."), inner)
        case _:
            yield f"{path}: {value}" if path else str(value), getattr(value, "code", "")
